//! What the entries of the template's resources make.

use super::{
    declared::Declared,
    error::{Fault, Flaw, Step},
    names::{self, ResourceType},
    sam::{self, Globals},
    yaml::Entry,
};

/// What an entry of the template's resources makes, besides those that are made already.
pub(super) fn made(
    entry: &Entry,
    globals: &Globals<'_>,
    resources: &[Declared],
    types: &[ResourceType],
) -> Step<Vec<Declared>> {
    let declared = Declared::read(&entry.key, entry.line, &entry.node)?;
    let made = sam::transform(declared, globals)?;
    for one in &made {
        if resources.iter().any(|it| it.logical_id == one.logical_id) {
            return Err(Flaw::new(entry.line, Fault::TwiceTheKey(one.logical_id.clone())));
        }
        if !types.iter().any(|it| it.kind == one.kind) && !names::is_passed_over(&one.kind) {
            let serverless = ["AWS::Serverless::Function", "AWS::Serverless::LayerVersion"];
            let types = types.iter().map(|it| it.kind);
            let mut supported: Vec<String> = types.chain(serverless).map(ToOwned::to_owned).collect();
            supported.sort_unstable();
            let passed_over = names::PASSED_OVER.map(|it| it.kind.to_owned()).to_vec();
            let fault = Fault::UnknownType { kind: one.kind.clone(), supported, passed_over };
            return Err(Flaw::new(entry.line, fault));
        }
    }
    Ok(made)
}
