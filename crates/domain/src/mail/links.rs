//! Where to look: commands, and on AWS the console's pages.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::text::quoted;

/// What stays as it is in an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where the system runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsoleLinks {
    /// On AWS, in this region.
    Aws {
        /// `aws`, `aws-cn` or `aws-us-gov`.
        partition: String,
        /// Such as `eu-north-1`.
        region: String,
    },
    /// On somebody's machine, where there is no console.
    Local,
}

impl ConsoleLinks {
    /// Where the thing of this ARN is, unless calls go to an endpoint of somebody's own.
    #[must_use]
    pub fn of(arn: &str, endpoint: Option<&str>) -> Self {
        let mut parts = arn.split(':').skip(1);
        match (endpoint, parts.next(), parts.nth(1)) {
            (None, Some(partition), Some(region)) if !region.is_empty() => {
                Self::Aws { partition: partition.to_owned(), region: region.to_owned() }
            }
            _ => Self::Local,
        }
    }

    /// The console's page of this path in this region: `None` where there is no console.
    fn page(&self, path: &str) -> Option<String> {
        let Self::Aws { partition, region } = self else { return None };
        let domain = match partition.as_str() {
            "aws" => "console.aws.amazon.com",
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => return None,
        };
        Some(format!("https://{region}.{domain}/{}", path.replace("REGION", region)))
    }

    /// The page of a log stream.
    #[must_use]
    pub fn log_stream(&self, group: &str, stream: &str) -> Option<String> {
        // The console's address keeps the names in its fragment, encoded twice, with $ for %.
        let name = |text: &str| encoded(&encoded(text)).replace('%', "$");
        let (group, stream) = (name(group), name(stream));
        let path = "cloudwatch/home?region=REGION#logsV2:log-groups/log-group";
        Some(format!("{}/{group}/log-events/{stream}", self.page(path)?))
    }

    /// The page of a task, while ECS knows it: about an hour from its stop.
    #[must_use]
    pub fn task(&self, cluster: &str, id: &str) -> Option<String> {
        let page = self.page("ecs/v2/clusters")?;
        let Self::Aws { region, .. } = self else { return None };
        Some(format!("{page}/{}/tasks/{}?region={region}", encoded(cluster), encoded(id)))
    }

    /// The page of an object's version.
    #[must_use]
    pub fn object(&self, bucket: &str, key: &str, version: Option<&str>) -> Option<String> {
        let page = self.page("s3/object")?;
        let Self::Aws { region, .. } = self else { return None };
        let version = version.map(|id| format!("&versionId={}", encoded(id))).unwrap_or_default();
        Some(format!("{page}/{}?region={region}&prefix={}{version}", encoded(bucket), encoded(key)))
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// The command that shows the timeline of an object.
#[must_use]
pub fn explain(uri: &str) -> String {
    format!("tidemill explain {}", quoted(uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(partition: &str, region: &str) -> ConsoleLinks {
        ConsoleLinks::of(&format!("arn:{partition}:sns:{region}:111122223333:mails"), None)
    }

    #[test]
    fn pages_are_where_the_partition_has_its_console() {
        let aws = console("aws", "eu-north-1");
        assert_eq!(
            aws.log_stream("tidemill-WorkerLogs-x", "worker/worker/1dc5").unwrap(),
            "https://eu-north-1.console.aws.amazon.com/cloudwatch/home?region=eu-north-1#logsV2:log-groups/log-group/\
             tidemill-WorkerLogs-x/log-events/worker$252Fworker$252F1dc5"
        );
        assert_eq!(
            aws.task("tidemill", "1dc5").unwrap(),
            "https://eu-north-1.console.aws.amazon.com/ecs/v2/clusters/tidemill/tasks/1dc5?region=eu-north-1"
        );
        assert_eq!(
            aws.object("tides", "uploads/a b&c.csv", Some("v7")).unwrap(),
            "https://eu-north-1.console.aws.amazon.com/s3/object/tides?region=eu-north-1&prefix=uploads%2Fa%20b%26c.csv\
             &versionId=v7"
        );
        for (partition, region, begins) in [
            ("aws-cn", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/s3/"),
            ("aws-us-gov", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/s3/"),
        ] {
            assert!(console(partition, region).object("b", "k", None).unwrap().starts_with(begins));
        }
        assert_eq!(console("aws-elsewhere", "x").object("b", "k", None), None);
    }

    #[test]
    fn the_local_cloud_has_no_console() {
        let local = ConsoleLinks::of("arn:aws:sns:us-east-1:1:t", Some("http://127.0.0.1:1"));
        assert_eq!(local, ConsoleLinks::Local);
        assert_eq!((local.log_stream("g", "s"), local.task("c", "t")), (None, None));
        assert_eq!(ConsoleLinks::of("nonsense", None), ConsoleLinks::Local);
    }

    #[test]
    fn a_key_cannot_add_to_the_command() {
        assert_eq!(explain("s3://b/uploads/a.csv"), "tidemill explain s3://b/uploads/a.csv");
        assert_eq!(explain("s3://b/a b;$(x)"), "tidemill explain 's3://b/a b;$(x)'");
        assert_eq!(explain("s3://b/it's"), r"tidemill explain $'s3://b/it\'s'");
        assert_eq!(explain("s3://b/a\nrm"), r"tidemill explain $'s3://b/a\x0arm'");
        assert_eq!(explain("s3://b/é'\u{202e}"), r"tidemill explain $'s3://b/\xc3\xa9\'\xe2\x80\xae'");
    }
}
