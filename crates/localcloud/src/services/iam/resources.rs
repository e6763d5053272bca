//! Roles of a template, as far as callers need them. Their policies are read by [`Iam::load`](super::Iam::load).

use crate::{
    credentials::{Credentials, access_key},
    resource::ResourceError,
    template::{Resource, ResourceType},
    wire::ACCOUNT,
};

pub(crate) const ROLE: ResourceType = ResourceType::new("AWS::IAM::Role", |it| {
    let id = format!("AROA{}", it.hash[..17].to_uppercase());
    it.by_name(format!("arn:aws:iam::{ACCOUNT}:role/{}", it.name), vec![("RoleId", id)])
})
.named("RoleName", 64);

/// Lets the role's functions and tasks in, under an access key of the role's own.
pub(crate) fn role(credentials: &Credentials, resource: &Resource) -> Result<(), ResourceError> {
    credentials.register(access_key(&resource.arn), &resource.name);
    Ok(())
}
