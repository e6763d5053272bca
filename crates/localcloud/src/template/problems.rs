//! All that is wrong with a template at once, where the deployment is content with the first of it.

use std::{collections::BTreeMap, path::Path};

use super::{ResourceType, Template, TemplateError, flaws::Flaws, parameters, read};

impl Template {
    /// Everything that is wrong with the template at `file` with these parameters, as far as one mistake does not hide
    /// another: what refers to a resource that cannot be read is not looked at.
    #[must_use]
    pub fn problems(
        file: &Path,
        types: Vec<ResourceType>,
        given: &BTreeMap<String, String>,
        stack: &str,
        endpoint: &str,
    ) -> Vec<TemplateError> {
        let text = match read(file) {
            Ok(text) => text,
            Err(error) => return vec![error],
        };
        let mut flaws = Flaws::All(Vec::new());
        let mut others = Vec::new();
        match Self::understood(&text, file, types, &mut flaws) {
            Err(flaw) => others.push(flaw.in_file(file)),
            Ok(template) if flaws.is_empty() => match parameters::read(&template.parameters, given) {
                Err(problems) => others.push(TemplateError::Parameters { file: file.to_owned(), problems }),
                Ok(values) => {
                    let naming = template.naming(stack, endpoint);
                    if let Err(flaw) = template.resolved(values, &naming, &mut flaws) {
                        others.push(flaw.in_file(file));
                    }
                }
            },
            Ok(_) => {}
        }
        let gathered = match flaws {
            Flaws::First => Vec::new(),
            Flaws::All(gathered) => gathered,
        };
        gathered.into_iter().map(|flaw| flaw.in_file(file)).chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("t.yaml");
        fs::write(&file, text).unwrap();
        let found = Template::problems(
            &file,
            crate::resource_types(),
            &BTreeMap::new(),
            "tidemill",
            "http://cloud.local",
        );
        let before = format!("{}:", file.display());
        found.iter().map(|error| error.to_string().replace(&before, "")).collect()
    }

    #[test]
    fn mistakes_of_shape_are_told_together() {
        let found = problems(
            "Moon: 1\nParameters:\n  A: { Type: Strange }\nResources:\n  One: { Typ: AWS::SQS::Queue }\n  Two: { Type: AWS::Moon }\n",
        );
        let lines: Vec<&str> = found.iter().filter_map(|problem| problem.split(':').next()).collect();
        assert_eq!(lines, ["1", "3", "5", "6"], "{found:?}");
    }

    #[test]
    fn mistakes_of_meaning_are_told_together_and_each_once() {
        let found = problems(
            "Resources:\n  One: { Type: AWS::SQS::Queue, Properties: { DelaySeconds: !Ref Nowhere } }\n  Two:\n    Type: AWS::SQS::Queue\n    \
             Properties: { QueueName: !GetAtt One.Moon }\n  Three: { Type: AWS::SQS::Queue, Properties: { QueueName: !Ref One } }\n\
             Outputs:\n  Where: { Value: !Ref Gone }\n",
        );
        assert_eq!(found.len(), 3, "{found:?}");
        for (problem, part) in found.iter().zip(["`Nowhere`", "`Moon`", "`Gone`"]) {
            assert!(problem.contains(part), "{problem}");
        }
    }

    #[test]
    fn what_is_no_template_at_all_is_one_problem() {
        assert_eq!(problems("a: [").len(), 1);
        assert_eq!(problems("Resources: {}\n").len(), 1);
        let none = Template::problems(
            Path::new("none.yaml"),
            crate::resource_types(),
            &BTreeMap::new(),
            "t",
            "http://cloud.local",
        );
        assert!(matches!(none[..], [TemplateError::Missing { .. }]));
    }
}
