//! Which pipelines take a deleted object's records along.

use super::{OnDelete, Pipeline, Pipelines};

impl Pipelines {
    /// Whether records of this key go when it is deleted. `visible` is the pipeline of the key's visible records, if there
    /// are any: that pipeline decides as long as the file has it.
    ///
    /// Otherwise those decide that take the key by its name, as S3 does not report the size of a deleted object: one with
    /// `remove` is enough.
    #[must_use]
    pub fn removes(&self, key: &str, visible: Option<&str>) -> bool {
        self.removing(key, visible).is_some()
    }

    /// The pipeline that says that they go.
    #[must_use]
    pub fn removing(&self, key: &str, visible: Option<&str>) -> Option<&Pipeline> {
        let removes = |pipeline: &&Pipeline| pipeline.on_delete == OnDelete::Remove;
        match visible.and_then(|name| self.get(name)) {
            Some(pipeline) => Some(pipeline).filter(removes),
            None => self.by_name(key).find(removes),
        }
    }

    /// The pipelines that may have taken an object of this key and of whatever size.
    pub fn by_name(&self, key: &str) -> impl Iterator<Item = &Pipeline> {
        // Below the first one that takes every size, none takes it.
        let mut is_decided = self.ignored.iter().any(|ignored| ignored.takes(key, None));
        self.pipelines.iter().filter(move |pipeline| {
            let takes = !is_decided && pipeline.matches.takes_name(key);
            is_decided |= takes && !pipeline.matches.bounds_size();
            takes
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::pipelines::Pipelines;

    #[test]
    fn the_pipeline_of_the_visible_records_decides_and_else_those_of_the_name() {
        let text = r#"
            version = 1
            ignore = [{ suffix = ".md" }]
            [[pipeline]]
            name = "large"
            match = { prefix = "uploads/", min_bytes = 1_000 }
            on_delete = "remove"
            [[pipeline]]
            name = "small"
            match = { prefix = "uploads/a/" }
            [[pipeline]]
            name = "others"
            match = { prefix = "uploads/b/" }
            on_delete = "remove"
        "#;
        let pipelines = Pipelines::parse(text, "p.toml").unwrap();
        let removes = |key, visible| pipelines.removes(key, visible);
        assert!(removes("uploads/a/1", Some("large")) && !removes("uploads/a/1", Some("small")));
        assert!(removes("uploads/a/1", None), "it may have been a large one");
        assert!(removes("uploads/a/1", Some("renamed")));
        assert!(!removes("elsewhere/a", None) && !removes("uploads/a/1.md", None));
        let names = |key| pipelines.by_name(key).map(|pipeline| pipeline.name.as_str()).collect::<Vec<_>>();
        assert_eq!(names("uploads/b/1"), ["large", "others"]);
        assert_eq!(names("uploads/a/1"), ["large", "small"]);
    }
}
