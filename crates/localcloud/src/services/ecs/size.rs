//! Fargate's table of task sizes.

use serde_json::Value;

/// Whether Fargate has this size: CPU units and MiB.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html#fargate-tasks-size>
pub(super) fn is_legal(cpu: u32, memory: u32) -> bool {
    let (from, to, step) = match cpu {
        256 => return matches!(memory, 512 | 1024 | 2048),
        512 => (1024, 4096, 1024),
        1024 => (2048, 8192, 1024),
        2048 => (4096, 16_384, 1024),
        4096 => (8192, 30_720, 1024),
        8192 => (16_384, 61_440, 4096),
        16_384 => (32_768, 122_880, 8192),
        _ => return false,
    };
    (from..=to).contains(&memory) && (memory - from).is_multiple_of(step)
}

/// The refusal's sentence for a size that is not in the table.
pub(super) fn complaint(cpu: &str, memory: &str) -> String {
    format!(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. \
         See the Amazon ECS documentation for the valid values."
    )
}

/// Reads a size as templates and the API write it: `"1024"`, `1024`, `"1 vCPU"`, `"0.5 vCPU"`, `"2 GB"`.
pub(super) fn parse(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|units| u32::try_from(units).ok()),
        Value::String(text) => {
            let lower = text.trim().to_ascii_lowercase();
            let whole = lower.strip_suffix("vcpu").or_else(|| lower.strip_suffix("gb"));
            match whole {
                None => lower.parse().ok(),
                // The table's smallest unit is a quarter, so whole quarters cover it without a float.
                Some(number) => quarters(number.trim()).and_then(|quarters| quarters.checked_mul(256)),
            }
        }
        _ => None,
    }
}

fn quarters(number: &str) -> Option<u32> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let part = match part {
        "" | "0" | "00" => 0,
        "25" => 1,
        "5" | "50" => 2,
        "75" => 3,
        _ => return None,
    };
    let whole: u32 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(4)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_holds_at_its_edges() {
        let legal = [
            (256, 512),
            (256, 2048),
            (512, 1024),
            (512, 4096),
            (1024, 2048),
            (1024, 8192),
            (2048, 16_384),
            (4096, 30_720),
            (8192, 16_384),
            (8192, 61_440),
            (16_384, 32_768),
            (16_384, 122_880),
        ];
        let illegal = [
            (256, 1536),
            (256, 4096),
            (512, 512),
            (512, 1536),
            (1024, 1024),
            (2048, 17_408),
            (4096, 31_744),
            (8192, 18_432),
            (16_384, 36_864),
            (300, 512),
            (0, 0),
        ];
        assert!(legal.iter().all(|&(cpu, memory)| is_legal(cpu, memory)));
        assert!(!illegal.iter().any(|&(cpu, memory)| is_legal(cpu, memory)));
    }

    #[test]
    fn sizes_are_read_in_every_form_aws_takes() {
        for (written, units) in [
            (json!("256"), Some(256)),
            (json!(512), Some(512)),
            (json!("1 vCPU"), Some(1024)),
            (json!(".25 vCPU"), Some(256)),
            (json!("0.5 vcpu"), Some(512)),
            (json!("2GB"), Some(2048)),
            (json!("0.3 vCPU"), None),
            (json!("lots"), None),
            (json!(null), None),
            (json!(-1), None),
            (json!("99999999999 GB"), None),
            (json!(1.5), None),
        ] {
            assert_eq!(parse(&written), units, "{written}");
        }
    }
}
