//! Compares a pipelines file with what is deployed: tables and their keys, permissions, the buckets' events and the mails.

use std::collections::BTreeMap;

use crate::{
    destination::{TableName, TableSchema, WriteMode},
    pipelines::Pipelines,
    watched::Place,
};

/// What is deployed. What could not be read is a sentence that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// The stack's name.
    pub stack: String,
    /// An ARN of the stack's account and region.
    pub arn: String,
    /// The parameter `TableArns`: ARNs, separated by commas.
    pub table_arns: String,
    /// The keys of each table that a pipeline writes to.
    pub tables: BTreeMap<TableName, Result<TableSchema, String>>,
    /// The buckets that are watched.
    pub buckets: Vec<Bucket>,
    /// The topic of mails.
    pub topic: String,
    /// Who gets its messages.
    pub subscriptions: Result<Vec<Subscription>, String>,
}

/// A bucket that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Where in it.
    pub place: Place,
    /// Whether it sends its events to EventBridge.
    pub sends_events: Result<bool, String>,
    /// Whether it keeps versions.
    pub keeps_versions: Result<bool, String>,
}

/// A subscription to the mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The address, or what else is subscribed.
    pub endpoint: String,
    /// Whether it gets anything.
    pub is_confirmed: bool,
}

impl Deployed {
    /// Why objects would not become what the pipelines say, each as a line that says what to do; none where all is well.
    #[must_use]
    pub fn problems(&self, pipelines: &Pipelines) -> Vec<String> {
        let mut problems = self.problems_of_tables(pipelines);
        for bucket in &self.buckets {
            problems.extend(bucket.problems(pipelines));
        }
        problems.extend(self.problems_of_mails());
        problems
    }

    fn problems_of_tables(&self, pipelines: &Pipelines) -> Vec<String> {
        let mut problems = Vec::new();
        for pipeline in pipelines.iter() {
            let Some(destination) = &pipeline.destination else { continue };
            let (name, table) = (&pipeline.name, &destination.table);
            match self.tables.get(table) {
                None => {}
                Some(Err(why)) => problems.push(format!("pipeline {name}: {why}")),
                Some(Ok(schema)) => {
                    problems
                        .extend(destination.fits(schema).err().map(|why| format!("pipeline {name}: {why}")));
                }
            }
            if !self.may_write(table) {
                problems.push(format!(
                    "pipeline {name}: the worker may not write to table {table}; deploy the stack {} with its ARN in TableArns",
                    self.stack
                ));
            }
        }
        for definition in pipelines.tables() {
            let deployed = self.tables.iter().find(|(table, _)| table.name() == definition.name);
            if let Some((_, Ok(schema))) = deployed {
                let [said, there] = [&definition.schema, schema].map(keys);
                if said != there {
                    problems.push(format!(
                        "[[table]] {}: it is defined with the key {said}, and has {there}; correct it in the pipelines file",
                        definition.name
                    ));
                }
            }
        }
        // Two pipelines may have the same table.
        problems.dedup();
        problems
    }

    /// Whether `TableArns` lists the table. One that is given by its name is in the stack's account and region.
    fn may_write(&self, table: &TableName) -> bool {
        let home: Vec<&str> = self.arn.split(':').skip(3).take(2).collect();
        self.table_arns.split(',').any(|arn| match table.region() {
            Some(_) => arn == table.as_str(),
            None => {
                let place: Vec<&str> = arn.split(':').skip(3).take(2).collect();
                place == home && arn.rsplit('/').next() == Some(table.name())
            }
        })
    }

    fn problems_of_mails(&self) -> Vec<String> {
        let topic = &self.topic;
        let subscribe = |endpoint: &str| {
            format!(
                "aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint {endpoint}"
            )
        };
        match &self.subscriptions {
            Err(why) => vec![why.clone()],
            Ok(all) if all.is_empty() => {
                vec![format!("nobody is subscribed to the mails; subscribe an address: {}", subscribe("ADDRESS"))]
            }
            Ok(all) => all
                .iter()
                .filter(|it| !it.is_confirmed)
                .map(|Subscription { endpoint, .. }| {
                    format!(
                        "{endpoint} gets no mails: its subscription is not confirmed; click the link in the mail from AWS, or \
                         have it sent again: {}",
                        subscribe(endpoint)
                    )
                })
                .collect(),
        }
    }
}

impl Bucket {
    fn problems(&self, pipelines: &Pipelines) -> Vec<String> {
        let Place { bucket, prefix } = &self.place;
        let mut problems = Vec::new();
        match &self.sends_events {
            Ok(true) => {}
            Ok(false) => problems.push(format!(
                "bucket {bucket} sends no events to EventBridge, so its objects wait for the hourly sweep; add \
                 EventBridgeConfiguration to what it notifies: aws s3api put-bucket-notification-configuration --bucket {bucket} \
                 --notification-configuration '{{\"EventBridgeConfiguration\": {{}}}}' replaces all of it"
            )),
            Err(why) => problems.push(why.clone()),
        }
        let replaces = pipelines.iter().find(|pipeline| {
            let literal = pipeline.matches.prefix.as_ref().map(|prefix| prefix.literal()).unwrap_or_default();
            let meets = literal.starts_with(prefix.as_str()) || prefix.starts_with(&*literal);
            meets && pipeline.destination.as_ref().is_some_and(|it| it.write == WriteMode::Replace)
        });
        match (&self.keeps_versions, replaces) {
            (Ok(true), _) | (_, None) => {}
            (Ok(false), Some(pipeline)) => problems.push(format!(
                "pipeline {}: write = \"replace\" reads the older version of an object, and bucket {bucket} keeps no versions; \
                 switch versioning on, or set write to another value",
                pipeline.name
            )),
            (Err(why), Some(_)) => problems.push(why.clone()),
        }
        problems
    }
}

/// The keys of a table in words: `PK (S), SK (S)`.
fn keys(schema: &TableSchema) -> String {
    schema.keys().map(|key| format!("{} ({:?})", key.name, key.kind)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::{KeyAttribute, KeyType};

    const FILE: &str = r#"
version = 1
[[pipeline]]
name = "orders"
match = { prefix = "uploads/orders/" }
table = "shop"
key = { PK = "ORDER#{id}", SK = "{line}" }
write = "replace"
[[table]]
name = "shop"
partition_key = { name = "PK", type = "S" }
sort_key = { name = "SK", type = "N" }
"#;

    fn schema(sort: KeyType) -> TableSchema {
        let key = |name: &str, kind| KeyAttribute { name: name.into(), kind };
        TableSchema {
            partition_key: key("PK", KeyType::S),
            sort_key: Some(key("SK", sort)),
            index_keys: Vec::new(),
        }
    }

    /// All as it should be.
    fn deployed() -> Deployed {
        let place = Place { bucket: "own".into(), prefix: "uploads/".into() };
        let table: TableName = "shop".parse().unwrap();
        Deployed {
            stack: "tidemill".into(),
            arn: "arn:aws:lambda:us-east-1:123456789012:function:f:live".into(),
            table_arns: "arn:aws:dynamodb:us-east-1:123456789012:table/shop".into(),
            tables: BTreeMap::from([(table, Ok(schema(KeyType::N)))]),
            buckets: vec![Bucket { place, sends_events: Ok(true), keeps_versions: Ok(true) }],
            topic: "arn:aws:sns:us-east-1:123456789012:mails".into(),
            subscriptions: Ok(vec![Subscription { endpoint: "ops@example.com".into(), is_confirmed: true }]),
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_to_do() {
        let pipelines = Pipelines::parse(FILE, "p.toml").unwrap();
        assert_eq!(deployed().problems(&pipelines), Vec::<String>::new());
        let table: TableName = "shop".parse().unwrap();
        type Change<'a> = &'a dyn Fn(&mut Deployed);
        let cases: [(Change<'_>, &str, &str); 8] = [
            (
                &|it| drop(it.tables.insert(table.clone(), Err("no table shop; create it".into()))),
                "no table shop",
                "create it",
            ),
            (&|it| drop(it.tables.insert(table.clone(), Ok(schema(KeyType::S)))), "SK (S)", "correct it"),
            (
                &|it| it.table_arns = "arn:aws:dynamodb:eu-west-1:123456789012:table/shop".into(),
                "may not write",
                "TableArns",
            ),
            (
                &|it| it.buckets[0].sends_events = Ok(false),
                "bucket own",
                "put-bucket-notification-configuration",
            ),
            (&|it| it.buckets[0].keeps_versions = Ok(false), "keeps no versions", "switch versioning on"),
            (&|it| it.buckets[0].sends_events = Err("cannot read".into()), "cannot read", ""),
            (&|it| it.subscriptions = Ok(Vec::new()), "nobody is subscribed", "aws sns subscribe"),
            (
                &|it| {
                    it.subscriptions =
                        Ok(vec![Subscription { endpoint: "a@b.c".into(), is_confirmed: false }])
                },
                "a@b.c gets no mails",
                "click the link",
            ),
        ];
        for (change, what, todo) in cases {
            let mut it = deployed();
            change(&mut it);
            let problems = it.problems(&pipelines);
            assert_eq!(problems.len(), 1, "{problems:#?}");
            assert!(problems[0].contains(what) && problems[0].contains(todo), "{}", problems[0]);
        }
    }

    #[test]
    fn a_key_template_that_makes_text_does_not_fit_a_key_that_is_a_number() {
        let pipelines = Pipelines::parse(FILE, "p.toml").unwrap();
        let mut it = deployed();
        let mut wrong = schema(KeyType::N);
        wrong.partition_key.kind = KeyType::N;
        it.tables.insert("shop".parse().unwrap(), Ok(wrong));
        let problems = it.problems(&pipelines);
        assert!(problems[0].contains("PK of table shop is a number (N)"), "{problems:#?}");
    }
}
