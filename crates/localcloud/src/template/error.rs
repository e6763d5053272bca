//! What can be wrong with a template, and where.

use std::{fmt, io, path::PathBuf};

/// What is wrong with one parameter's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterProblem {
    /// It has no default and was not given.
    #[error("the parameter {name} needs a value: {description}")]
    Missing {
        /// The parameter.
        name: String,
        /// What the template says of it.
        description: String,
    },
    /// The template has no such parameter.
    #[error("there is no parameter {name}; there are {}", known.join(", "))]
    Unknown {
        /// What was given.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The value given is not allowed.
    #[error("the parameter {name} {must}; it is {shown}")]
    Refused {
        /// The parameter.
        name: String,
        /// What is allowed.
        must: String,
        /// The value, or asterisks for a secret one.
        shown: String,
    },
}

/// Why a template cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// There is no such file.
    #[error("there is no template at {}: name the template.yaml to run", file.display())]
    Missing {
        /// The file that was looked for.
        file: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("failed to read the template {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{}:{line}: {}{fault}", file.display(), within(path))]
    Faulty {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The keys that lead there, such as `Resources`, `Queue`, `Properties`.
        path: Vec<String>,
        /// What is wrong there.
        fault: Box<Fault>,
    },
    /// CloudFormation takes no stack of this name.
    #[error("a stack cannot be called {name:?}: a letter, then letters, digits and hyphens, 128 at most")]
    StackName {
        /// The name given.
        name: String,
    },
    /// The parameters given do not fit those declared. All problems at once.
    #[error("{}: {}", file.display(), listed(problems))]
    Parameters {
        /// The file.
        file: PathBuf,
        /// What is wrong with each.
        problems: Vec<ParameterProblem>,
    },
}

fn within(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!("{}: ", path.join(".")) }
}

fn listed(problems: &[ParameterProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What is wrong at one place of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not YAML.
    #[error("not valid YAML: {0}")]
    NotYaml(String),
    /// It is YAML that CloudFormation refuses.
    #[error("CloudFormation refuses this YAML: {0}")]
    RefusedYaml(&'static str),
    /// A key appears twice in one mapping.
    #[error("the key `{0}` is here twice")]
    TwiceTheKey(String),
    /// A value of another shape is needed.
    #[error("this must be {expected}, and is {found}")]
    Shape {
        /// What is needed.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A required key is absent.
    #[error("the key `{0}` is missing")]
    Lacks(&'static str),
    /// A key that nobody would read.
    #[error("`{key}` is not known here; known are {}", Known(known))]
    UnknownKey {
        /// The key.
        key: String,
        /// Those that are read here.
        known: Vec<String>,
    },
    /// A resource type that the local cloud does not have.
    #[error(
        "the local cloud has no {kind}; it has {}; and it passes over {}",
        Known(supported),
        Known(passed_over)
    )]
    UnknownType {
        /// The type.
        kind: String,
        /// The types that it runs.
        supported: Vec<String>,
        /// The types that mean nothing locally.
        passed_over: Vec<String>,
    },
    /// An intrinsic function that does not exist or cannot work here.
    #[error("the local cloud has no function {function}; it has {}", Known(known))]
    UnknownFunction {
        /// The function.
        function: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// A name that nothing in the template has.
    #[error("there is no {what} `{name}` in this template; there are {}", Known(known))]
    UnknownName {
        /// Parameter, resource, condition, mapping key.
        what: &'static str,
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// A resource whose condition is false is referred to.
    #[error("the resource `{name}` is not created here, since its condition `{condition}` is false")]
    NotCreated {
        /// The resource.
        name: String,
        /// Its condition.
        condition: String,
    },
    /// `Fn::GetAtt` of an attribute that the type does not have.
    #[error("{kind} has no attribute `{attribute}`; it has {}", Known(known))]
    UnknownAttribute {
        /// The resource's type.
        kind: String,
        /// The attribute.
        attribute: String,
        /// Those it has.
        known: Vec<String>,
    },
    /// Things that each need the other first.
    #[error("these need each other first: {}", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A value that cannot be computed.
    #[error("{0}")]
    Value(String),
    /// An assertion of the `Rules` section does not hold.
    #[error("{0}")]
    Refuted(String),
}

/// Names as a sentence lists them.
struct Known<'a>(&'a [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("none") } else { f.write_str(&self.0.join(", ")) }
    }
}

/// A fault on its way out to where the file's name is known; the path grows as it leaves.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) line: usize,
    /// Innermost key first.
    path: Vec<String>,
    pub(super) fault: Fault,
}

impl Flaw {
    pub(super) fn new(line: usize, fault: Fault) -> Box<Self> {
        Box::new(Self { line, path: Vec::new(), fault })
    }

    pub(super) fn within(mut self: Box<Self>, key: impl Into<String>) -> Box<Self> {
        self.path.push(key.into());
        self
    }

    pub(super) fn in_file(self, file: &std::path::Path) -> TemplateError {
        let path = self.path.into_iter().rev().collect();
        TemplateError::Faulty { file: file.to_owned(), line: self.line, path, fault: Box::new(self.fault) }
    }
}

/// What a step of the interpreter gives.
pub(super) type Step<T> = Result<T, Box<Flaw>>;
