//! The environment variables of a command: a few of the worker's, those that its pipeline sets, and those that describe
//! the object. It inherits nothing else of the worker's environment: no table names, no credentials.
//!
//! This does not stop a malicious program, which runs as the same user in the same container. It keeps a careless one
//! from logging or sending values that it does not need.

use std::collections::BTreeMap;

use domain::{
    job::Job,
    pipelines::Command,
    settings::{Settings, variables},
};

/// Variables that every command inherits from the worker.
const PASSED: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// The prefix of the variables that a command with `aws = true` inherits: the region and the credentials.
const AWS: &str = "AWS_";

/// The `PATH` of commands when the worker was started without one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of the worker that commands may inherit.
#[derive(Debug, Clone)]
pub(super) struct Inherited(BTreeMap<String, String>);

impl Inherited {
    /// Selects the inheritable variables.
    pub(super) fn from_settings(settings: &Settings) -> Self {
        let passes = |name: &str| PASSED.contains(&name) || name.starts_with(AWS);
        let passed = settings.iter().filter(|(name, _)| passes(name));
        let mut variables: BTreeMap<_, _> =
            passed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        variables.entry("PATH".to_owned()).or_insert_with(|| PATH.to_owned());
        Self(variables)
    }

    /// The whole environment of the command that runs on a job's object. The pipeline's variables override inherited ones,
    /// and the object's variables override both.
    pub(super) fn environment(&self, job: &Job, command: &Command) -> BTreeMap<String, String> {
        let mut variables = self.0.clone();
        variables.retain(|name, _| command.aws || !name.starts_with(AWS));
        variables.extend(command.environment.clone());
        let object = &job.object;
        let described = [
            ("TIDEMILL_BUCKET", Some(object.bucket.clone())),
            ("TIDEMILL_KEY", Some(object.key.clone())),
            ("TIDEMILL_VERSION_ID", object.version_id.clone()),
            ("TIDEMILL_ETAG", object.etag.clone()),
            ("TIDEMILL_SIZE", object.size_bytes.map(|size| size.to_string())),
            ("TIDEMILL_URI", Some(object.uri())),
            (variables::TIDEMILL_JOB.name(), Some(job.id.to_string())),
            (variables::TIDEMILL_ATTEMPT.name(), Some(job.attempt.to_string())),
            ("TIDEMILL_PIPELINE", Some(job.pipeline.name.clone())),
        ];
        variables.extend(described.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_job::command::tests::job;

    fn environment(pipeline: &str, settings: &[(&str, &str)]) -> BTreeMap<String, String> {
        let job = job(&format!("command = [\"cat\"]\n{pipeline}"));
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let settings = Settings::from(settings.collect::<BTreeMap<_, _>>());
        Inherited::from_settings(&settings).environment(&job, job.pipeline.command.as_ref().unwrap())
    }

    const WORKER: [(&str, &str); 7] = [
        ("PATH", "/bin"),
        ("HOME", "/"),
        ("LEDGER_TABLE", "ledger"),
        ("TIDEMILL_SLOT", "3"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1"),
    ];

    #[test]
    fn a_command_gets_its_object_and_inherits_nothing_else_of_the_worker() {
        let given = environment("", &WORKER);
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let id = job("command = [\"cat\"]\n").id;
        assert_eq!(
            given,
            [
                ("HOME", "/"),
                ("PATH", "/bin"),
                ("TIDEMILL_ATTEMPT", "1"),
                ("TIDEMILL_BUCKET", "b"),
                ("TIDEMILL_ETAG", "e"),
                ("TIDEMILL_JOB", id.as_str()),
                ("TIDEMILL_KEY", "uploads/a b.csv"),
                ("TIDEMILL_PIPELINE", "p"),
                ("TIDEMILL_SIZE", "7"),
                ("TIDEMILL_URI", "s3://b/uploads/a b.csv"),
                ("TIDEMILL_VERSION_ID", "v1"),
            ]
        );
    }

    #[test]
    fn credentials_pass_with_aws_true_and_the_pipelines_variables_override_them() {
        let given = environment("aws = true\nenvironment = { AWS_REGION = \"x\", HOME = \"/h\" }", &WORKER);
        assert_eq!(given["AWS_SECRET_ACCESS_KEY"], "secret");
        assert_eq!(given["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"], "/v2/credentials/1");
        assert_eq!((given["AWS_REGION"].as_str(), given["HOME"].as_str()), ("x", "/h"));
        assert!(!given.contains_key("LEDGER_TABLE"));
        assert_eq!(environment("", &[])["PATH"], PATH);
    }
}
