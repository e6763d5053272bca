//! Files that AWS writes, by name: one row for each kind says how it is written and what its fields are called.
//!
//! Field lists are those of AWS's pages, which each row links, looked up in November 2026. AWS appends fields to its logs: the
//! first row of an object tells how many it has, and those behind the last known one are called `column_34` and so on.

use serde::{Deserialize, Serialize};

use super::column_type::ColumnType;
use crate::table::table;

/// How one kind of file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresetRow {
    /// What it is, for messages.
    pub title: &'static str,
    /// The page of AWS that describes it.
    pub source: &'static str,
    /// How it is laid out.
    pub layout: PresetLayout,
}

/// How a kind of file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetLayout {
    /// A JSON document whose records are where this JSON pointer leads.
    Json(&'static str),
    /// Delimited text.
    Table(PresetTable),
}

/// How delimited text of AWS is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresetTable {
    /// What separates fields.
    pub delimiter: char,
    /// What encloses fields.
    pub quotes: Quotes,
    /// Where the names are.
    pub names: PresetNames,
    /// The field that is null in every column.
    pub null: Option<&'static str>,
    /// Columns of numbers, where they are there.
    pub numbers: &'static [&'static str],
    /// Columns of texts, where they are there.
    pub texts: &'static [&'static str],
    /// The type of all other columns; none where their values tell.
    pub others: Option<ColumnType>,
}

/// What encloses fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quotes {
    /// Nothing.
    None,
    /// Quotes, doubled inside.
    Double,
    /// Quotes that close only before a delimiter or the end of the line, and brackets around a time.
    Log,
    /// What the text shows.
    Detected,
}

/// Where the names of columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresetNames {
    /// These, in this order. The first version had `least` of them, and later ones append.
    Known {
        /// The names.
        names: &'static [&'static str],
        /// How many the first version had.
        least: usize,
    },
    /// In the first row.
    FirstRow,
    /// In a comment that begins with `#Fields:`.
    FieldsLine,
    /// Nowhere: the pipeline's `header` has them. The text says where a person finds them.
    Pipeline(&'static str),
}

const SPACED: PresetTable = PresetTable {
    delimiter: ' ',
    quotes: Quotes::Log,
    names: PresetNames::FirstRow,
    null: Some("-"),
    numbers: &[],
    texts: &[],
    others: Some(ColumnType::Text),
};

const CSV: PresetTable =
    PresetTable { delimiter: ',', quotes: Quotes::Double, null: None, others: None, ..SPACED };

table! {
    /// A kind of file that AWS writes, as a value of `format`.
    Preset: PresetRow {
        Alb = "alb", "access logs of an Application Load Balancer" {
            title: "an access log of an Application Load Balancer",
            source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html",
            layout: PresetLayout::Table(PresetTable {
                names: PresetNames::Known { least: 18, names: &[
                    "type", "time", "elb", "client:port", "target:port", "request_processing_time",
                    "target_processing_time", "response_processing_time", "elb_status_code", "target_status_code",
                    "received_bytes", "sent_bytes", "request", "user_agent", "ssl_cipher", "ssl_protocol",
                    "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn", "matched_rule_priority",
                    "request_creation_time", "actions_executed", "redirect_url", "error_reason", "target:port_list",
                    "target_status_code_list", "classification", "classification_reason", "conn_trace_id",
                    "transformed_host", "transformed_uri", "request_transform_status",
                ] },
                numbers: &[
                    "request_processing_time", "target_processing_time", "response_processing_time", "elb_status_code",
                    "target_status_code", "received_bytes", "sent_bytes", "matched_rule_priority",
                ],
                ..SPACED
            }),
        }
        Nlb = "nlb", "access logs of a Network Load Balancer" {
            title: "an access log of a Network Load Balancer",
            source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-access-logs.html",
            layout: PresetLayout::Table(PresetTable {
                names: PresetNames::Known { least: 17, names: &[
                    "type", "version", "time", "elb", "listener", "client:port", "destination:port", "connection_time",
                    "tls_handshake_time", "received_bytes", "sent_bytes", "incoming_tls_alert", "chosen_cert_arn",
                    "chosen_cert_serial", "tls_cipher", "tls_protocol_version", "tls_named_group", "domain_name",
                    "alpn_fe_protocol", "alpn_be_protocol", "alpn_client_preference_list",
                    "tls_connection_creation_time",
                ] },
                numbers: &["connection_time", "tls_handshake_time", "received_bytes", "sent_bytes"],
                ..SPACED
            }),
        }
        Elb = "elb", "access logs of a Classic Load Balancer" {
            title: "an access log of a Classic Load Balancer",
            source: "https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/access-log-collection.html",
            layout: PresetLayout::Table(PresetTable {
                names: PresetNames::Known { least: 12, names: &[
                    "time", "elb", "client:port", "backend:port", "request_processing_time",
                    "backend_processing_time", "response_processing_time", "elb_status_code", "backend_status_code",
                    "received_bytes", "sent_bytes", "request", "user_agent", "ssl_cipher", "ssl_protocol",
                ] },
                numbers: &[
                    "request_processing_time", "backend_processing_time", "response_processing_time",
                    "elb_status_code", "backend_status_code", "received_bytes", "sent_bytes",
                ],
                ..SPACED
            }),
        }
        Cloudfront = "cloudfront", "standard access logs of CloudFront" {
            title: "an access log of CloudFront",
            source: "https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html",
            layout: PresetLayout::Table(PresetTable {
                delimiter: '\t',
                quotes: Quotes::None,
                names: PresetNames::FieldsLine,
                numbers: &[
                    "sc-bytes", "sc-status", "cs-bytes", "time-taken", "c-port", "time-to-first-byte",
                    "sc-content-len", "sc-range-start", "sc-range-end",
                ],
                ..SPACED
            }),
        }
        VpcFlowLogs = "vpc_flow_logs", "VPC flow logs" {
            title: "a VPC flow log",
            source: "https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html",
            layout: PresetLayout::Table(PresetTable {
                quotes: Quotes::None,
                numbers: &[
                    "version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags",
                    "traffic-path",
                ],
                ..SPACED
            }),
        }
        S3AccessLogs = "s3_access_logs", "server access logs of S3" {
            title: "a server access log of S3",
            source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html",
            layout: PresetLayout::Table(PresetTable {
                names: PresetNames::Known { least: 18, names: &[
                    "bucket_owner", "bucket", "time", "remote_ip", "requester", "request_id", "operation", "key",
                    "request_uri", "http_status", "error_code", "bytes_sent", "object_size", "total_time",
                    "turn_around_time", "referer", "user_agent", "version_id", "host_id", "signature_version",
                    "cipher_suite", "authentication_type", "host_header", "tls_version", "access_point_arn",
                    "acl_required",
                ] },
                numbers: &["http_status", "bytes_sent", "object_size", "total_time", "turn_around_time"],
                ..SPACED
            }),
        }
        S3Inventory = "s3_inventory", "inventories of S3 in CSV" {
            title: "an inventory of S3",
            source: "https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html",
            layout: PresetLayout::Table(PresetTable {
                names: PresetNames::Pipeline("fileSchema in the inventory's manifest.json lists them"),
                numbers: &["Size"],
                texts: &["Bucket", "Key", "VersionId", "ETag", "ObjectAccessControlList", "ObjectOwner"],
                ..CSV
            }),
        }
        Cloudtrail = "cloudtrail", "logs of CloudTrail" {
            title: "a log of CloudTrail",
            source: "https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html",
            layout: PresetLayout::Json("/Records"),
        }
        Cur = "cur", "Cost and Usage Reports in CSV" {
            title: "a Cost and Usage Report",
            source: "https://docs.aws.amazon.com/cur/latest/userguide/data-dictionary.html",
            layout: PresetLayout::Table(PresetTable {
                texts: &[
                    "identity/LineItemId", "bill/InvoiceId", "bill/PayerAccountId", "lineItem/UsageAccountId",
                    "lineItem/ResourceId", "identity_line_item_id", "bill_invoice_id", "bill_payer_account_id",
                    "line_item_usage_account_id", "line_item_resource_id",
                ],
                ..CSV
            }),
        }
        Athena = "athena", "results of Athena queries in CSV" {
            title: "a result of an Athena query",
            source: "https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html",
            layout: PresetLayout::Table(CSV),
        }
        RedshiftUnload = "redshift_unload", "text that Redshift's UNLOAD writes" {
            title: "text that Redshift has unloaded",
            source: "https://docs.aws.amazon.com/redshift/latest/dg/r_UNLOAD.html",
            layout: PresetLayout::Table(PresetTable {
                delimiter: '|',
                quotes: Quotes::Detected,
                names: PresetNames::Pipeline("the query of the UNLOAD lists them; header = true if it has HEADER"),
                ..CSV
            }),
        }
    }
}

impl Preset {
    /// How delimited text of this kind is written; none for JSON.
    #[must_use]
    pub fn table(self) -> Option<&'static PresetTable> {
        match &self.row().layout {
            PresetLayout::Table(table) => Some(table),
            PresetLayout::Json(_) => None,
        }
    }
}

impl PresetTable {
    /// The type of the column `name`; none where its values tell.
    #[must_use]
    pub fn type_of(&self, name: &str) -> Option<ColumnType> {
        if self.numbers.contains(&name) {
            Some(ColumnType::Number)
        } else if self.texts.contains(&name) {
            Some(ColumnType::Text)
        } else {
            self.others
        }
    }
}

impl Serialize for Preset {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Preset {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::parse(&code).ok_or_else(|| serde::de::Error::custom(format!("unknown format {code:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_of_a_preset_fit_each_other() {
        for preset in Preset::ALL {
            let Some(table) = preset.table() else { continue };
            if let PresetNames::Known { names, least } = table.names {
                assert!((1..=names.len()).contains(&least), "{preset}");
                for (at, name) in names.iter().enumerate() {
                    assert!(!names[..at].contains(name), "{preset}: {name} twice");
                    assert!(!crate::manifest::RESERVED.contains(name), "{preset}: {name}");
                }
                let typed = table.numbers.iter().chain(table.texts);
                typed.for_each(|name| assert!(names.contains(name), "{preset}: {name}"));
            }
        }
    }

    #[test]
    fn pages_list_every_preset_and_a_stored_pipeline_keeps_it() {
        let page = include_str!("../../../../docs/pipelines.md");
        let file = include_str!("../../../../pipelines/pipelines.toml");
        for preset in Preset::ALL {
            assert!(page.contains(&format!("`{preset}`")), "docs/pipelines.md does not list {preset}");
            assert!(file.contains(&format!(" {preset}")), "pipelines.toml does not list {preset}");
            let format = super::super::Format::Aws(*preset);
            let stored = serde_json::to_string(&format).expect("a word");
            assert_eq!(stored, format!("\"{preset}\""));
            assert_eq!(serde_json::from_str::<super::super::Format>(&stored).ok(), Some(format));
        }
    }
}
