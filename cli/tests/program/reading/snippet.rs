use aws_sdk_dynamodb::{Client, types::AttributeValue};
use std::{collections::HashMap, error::Error};

type Item = HashMap<String, AttributeValue>;

/// One item of the table, read consistently.
async fn item(client: &Client, table: &str, part: String, row: u64) -> Result<Option<Item>, Box<dyn Error>> {
    let get = client.get_item().table_name(table).consistent_read(true);
    let get = get.key("_part", AttributeValue::S(part)).key("_row", AttributeValue::N(row.to_string()));
    Ok(get.send().await?.item)
}

fn number<T: std::str::FromStr>(item: &Item, name: &str) -> Result<T, Box<dyn Error>> {
    let text = item.get(name).and_then(|value| value.as_n().ok());
    text.and_then(|text| text.parse().ok()).ok_or_else(|| format!("no number {name}").into())
}

/// The number of records of an object's visible version, the total of their column `n`, and that column of row 7.
pub(crate) async fn read(
    client: &Client,
    table: &str,
    bucket: &str,
    key: &str,
) -> Result<(u64, u64, u64), Box<dyn Error>> {
    let visible = item(client, table, format!("object:s3://{bucket}/{key}"), 0).await?;
    let visible = visible.filter(|it| !it.contains_key("deleted")).ok_or("no version is visible")?;
    let prefix = visible.get("rows_prefix").and_then(|value| value.as_s().ok()).ok_or("no rows_prefix")?;
    let shards: u64 = number(&visible, "shards")?;
    let (mut records, mut total) = (0, 0);
    for partition in 0..shards {
        let mut rows = client
            .query()
            .table_name(table)
            .consistent_read(true)
            .key_condition_expression("#part = :part")
            .expression_attribute_names("#part", "_part")
            .expression_attribute_values(":part", AttributeValue::S(format!("{prefix}:{partition}")))
            .into_paginator()
            .items()
            .send();
        while let Some(row) = rows.next().await {
            total += number::<u64>(&row?, "n")?;
            records += 1;
        }
    }
    if records != number::<u64>(&visible, "records")? {
        return Err("the version was replaced more than a day ago: read the manifest again".into());
    }
    let seventh = item(client, table, format!("{prefix}:{}", 7 % shards), 7).await?;
    Ok((records, total, number(&seventh.ok_or("row 7 is not there")?, "n")?))
}
