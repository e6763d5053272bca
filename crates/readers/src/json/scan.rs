//! The grammar of JSON as a state machine over chunks of any size.
//!
//! It keeps no text: only where in the grammar it is, and one bit per open bracket. Strings are not decoded
//! here, so what UTF-8 and surrogates they hold is found where the record is built. So are `NaN`, `Infinity` and
//! `-Infinity`: they are no JSON, but many programs write them, and they spoil a record and not the document.

/// More open brackets than this are refused outright: a bound on the scanner's memory (1 KiB), far beyond the
/// 32 levels of an item.
const MAX_DEPTH: usize = 8 * 1024;

/// What stopped the scanner. The text before it is consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All input was used.
    More,
    /// A value begins with the next byte.
    Begin(Kind),
    /// A value has ended.
    End,
    /// A name begins with the next byte.
    NameBegin,
    /// A name has ended.
    NameEnd,
}

/// What kind of value begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Scalar,
}

/// Why the text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Against the grammar, in words.
    Syntax(&'static str),
    /// Something follows the end of the value.
    Trailing,
    /// More than [`MAX_DEPTH`] brackets.
    TooDeep,
}

/// The scanner's end: why, and how many bytes before the faulty one the step had used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stopped {
    pub(crate) fault: Fault,
    pub(crate) at: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    /// After `[`: a value or `]`.
    FirstValue,
    /// After `{`: a name or `}`.
    FirstName,
    Name,
    Colon,
    /// After a value in a container.
    Comma,
    /// After the outermost value.
    Done,
    Text {
        name: bool,
    },
    Escape {
        name: bool,
    },
    /// Hexadecimal digits still to come.
    Hex {
        name: bool,
        left: u8,
    },
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8]),
    Minus,
    Zero,
    Integer,
    Dot,
    Fraction,
    E,
    ESign,
    Exponent,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// Whether the open brackets are braces, outermost first, one bit each.
    braces: Vec<u64>,
    depth: usize,
    /// Values and names at this depth and above it are announced.
    watch: usize,
    /// The beginning of what comes next has been announced.
    announced: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { state: State::Value, braces: Vec::new(), depth: 0, watch: 0, announced: false }
    }
}

impl Scanner {
    /// Announce values and names inside up to `depth` brackets.
    pub(crate) fn watch(&mut self, depth: usize) {
        self.watch = depth;
    }

    /// How many brackets are open.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// Whether the outermost value is complete.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The input has ended: true when that ends a number that is the outermost value.
    pub(crate) fn finish(&mut self) -> bool {
        if self.depth == 0 && self.in_whole_number() {
            self.state = State::Done;
            return true;
        }
        false
    }

    fn in_whole_number(&self) -> bool {
        matches!(self.state, State::Zero | State::Integer | State::Fraction | State::Exponent)
    }

    /// Forgets the value that has ended, so that another may begin. What is announced stays.
    pub(crate) fn restart(&mut self) {
        self.state = State::Value;
        self.depth = 0;
        self.announced = false;
    }

    /// Goes on with `input`: how much of it was consumed and what stopped it.
    pub(crate) fn step(&mut self, input: &[u8]) -> Result<(usize, Step), Stopped> {
        let mut at = 0;
        match self.step_to(input, &mut at) {
            Ok(step) => Ok((at, step)),
            Err(fault) => Err(Stopped { fault, at }),
        }
    }

    /// A step that leaves in `used` how far it came, a fault included.
    fn step_to(&mut self, input: &[u8], used: &mut usize) -> Result<Step, Fault> {
        while let Some(&byte) = input.get(*used) {
            match self.state {
                State::Text { name } => {
                    let rest = &input[*used..];
                    let stop = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    if rest[..stop].iter().any(|byte| *byte < 0x20) {
                        *used += rest[..stop].iter().take_while(|byte| **byte >= 0x20).count();
                        return Err(Fault::Syntax("a control character in a string"));
                    }
                    *used += stop;
                    match rest.get(stop) {
                        None => {}
                        Some(b'\\') => {
                            *used += 1;
                            self.state = State::Escape { name };
                        }
                        Some(_) => {
                            *used += 1;
                            if name {
                                self.state = State::Colon;
                                if self.depth <= self.watch {
                                    return Ok(Step::NameEnd);
                                }
                            } else if let Some(step) = self.end_value() {
                                return Ok(step);
                            }
                        }
                    }
                }
                State::Escape { name } => {
                    self.state = match byte {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text { name },
                        b'u' => State::Hex { name, left: 4 },
                        _ => return Err(Fault::Syntax("an unknown escape in a string")),
                    };
                    *used += 1;
                }
                State::Hex { name, left } => {
                    if !byte.is_ascii_hexdigit() {
                        return Err(Fault::Syntax("a \\u escape without four hexadecimal digits"));
                    }
                    *used += 1;
                    self.state =
                        if left == 1 { State::Text { name } } else { State::Hex { name, left: left - 1 } };
                }
                State::Word(rest) => match rest {
                    [expected, rest @ ..] if *expected == byte => {
                        *used += 1;
                        if !rest.is_empty() {
                            self.state = State::Word(rest);
                        } else if let Some(step) = self.end_value() {
                            return Ok(step);
                        }
                    }
                    _ => return Err(Fault::Syntax("an unknown word")),
                },
                State::Minus | State::Zero | State::Integer | State::Dot => {
                    if self.number(byte)? {
                        *used += 1;
                    } else if let Some(step) = self.end_value() {
                        return Ok(step);
                    }
                }
                State::Fraction | State::E | State::ESign | State::Exponent => {
                    if self.number(byte)? {
                        *used += 1;
                    } else if let Some(step) = self.end_value() {
                        return Ok(step);
                    }
                }
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => *used += 1,
                _ => {
                    let (taken, step) = self.structure(byte)?;
                    *used += taken;
                    if let Some(step) = step {
                        return Ok(step);
                    }
                }
            }
        }
        Ok(Step::More)
    }

    /// A byte between tokens: whether it is consumed, and what there is to announce.
    fn structure(&mut self, byte: u8) -> Result<(usize, Option<Step>), Fault> {
        match (self.state, byte) {
            (State::FirstValue, b']') | (State::Comma, b']') if !self.in_braces() => self.close(),
            (State::FirstName, b'}') | (State::Comma, b'}') if self.in_braces() => self.close(),
            (State::Value | State::FirstValue, _) => self.begin_value(byte),
            (State::FirstName | State::Name, b'"') => {
                if self.depth <= self.watch && !self.announced {
                    self.announced = true;
                    return Ok((0, Some(Step::NameBegin)));
                }
                self.announced = false;
                self.state = State::Text { name: true };
                Ok((1, None))
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Ok((1, None))
            }
            (State::Comma, b',') => {
                self.state = if self.in_braces() { State::Name } else { State::Value };
                Ok((1, None))
            }
            (State::Done, _) => Err(Fault::Trailing),
            (State::FirstName | State::Name, _) => Err(Fault::Syntax("a name in quotes was expected")),
            (State::Colon, _) => Err(Fault::Syntax("a colon was expected after a name")),
            _ => Err(Fault::Syntax("a comma or a closing bracket was expected")),
        }
    }

    fn begin_value(&mut self, byte: u8) -> Result<(usize, Option<Step>), Fault> {
        let (kind, state) = match byte {
            b'{' => (Kind::Object, State::FirstName),
            b'[' => (Kind::Array, State::FirstValue),
            b'"' => (Kind::Scalar, State::Text { name: false }),
            b't' => (Kind::Scalar, State::Word(b"rue")),
            b'f' => (Kind::Scalar, State::Word(b"alse")),
            b'n' => (Kind::Scalar, State::Word(b"ull")),
            b'N' => (Kind::Scalar, State::Word(b"aN")),
            b'I' => (Kind::Scalar, State::Word(b"nfinity")),
            b'-' => (Kind::Scalar, State::Minus),
            b'0' => (Kind::Scalar, State::Zero),
            b'1'..=b'9' => (Kind::Scalar, State::Integer),
            _ => return Err(Fault::Syntax("a value was expected")),
        };
        if self.depth <= self.watch && !self.announced {
            self.announced = true;
            return Ok((0, Some(Step::Begin(kind))));
        }
        self.announced = false;
        self.state = state;
        if kind != Kind::Scalar {
            self.open(kind == Kind::Object)?;
        }
        Ok((1, None))
    }

    /// One byte of a number: false when the number ended before it.
    fn number(&mut self, byte: u8) -> Result<bool, Fault> {
        self.state = match (self.state, byte) {
            (State::Minus, b'0') => State::Zero,
            (State::Minus, b'I') => State::Word(b"nfinity"),
            (State::Minus, b'1'..=b'9') | (State::Integer, b'0'..=b'9') => State::Integer,
            (State::Zero | State::Integer, b'.') => State::Dot,
            (State::Dot | State::Fraction, b'0'..=b'9') => State::Fraction,
            (State::Zero | State::Integer | State::Fraction, b'e' | b'E') => State::E,
            (State::E, b'+' | b'-') => State::ESign,
            (State::E | State::ESign | State::Exponent, b'0'..=b'9') => State::Exponent,
            (State::Zero, b'0'..=b'9') => return Err(Fault::Syntax("a number with a leading zero")),
            _ if self.in_whole_number() => return Ok(false),
            _ => return Err(Fault::Syntax("a number without its digits")),
        };
        Ok(true)
    }

    fn end_value(&mut self) -> Option<Step> {
        self.state = if self.depth == 0 { State::Done } else { State::Comma };
        (self.depth <= self.watch).then_some(Step::End)
    }

    fn open(&mut self, brace: bool) -> Result<(), Fault> {
        if self.depth == MAX_DEPTH {
            return Err(Fault::TooDeep);
        }
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if word == self.braces.len() {
            self.braces.push(0);
        }
        if brace {
            self.braces[word] |= bit;
        } else {
            self.braces[word] &= !bit;
        }
        self.depth += 1;
        Ok(())
    }

    #[expect(clippy::unnecessary_wraps, reason = "an arm of `structure`, whose other arms can fail")]
    fn close(&mut self) -> Result<(usize, Option<Step>), Fault> {
        self.depth -= 1;
        Ok((1, self.end_value()))
    }

    fn in_braces(&self) -> bool {
        self.depth.checked_sub(1).is_some_and(|last| self.braces[last / 64] & (1 << (last % 64)) != 0)
    }
}
