//! The stack machine: one instruction after the other, until STOP.

use crate::Error;
use crate::pickle::literal::{self, Integer, MAX_INT_BYTES};
use crate::pickle::{Global, Heap, Object, Source};
use std::collections::HashMap;
use std::io::BufRead;

/// Most instructions of one pickle. The largest language models have some hundred thousand.
pub(crate) const MAX_INSTRUCTIONS: u64 = 1 << 24;
/// Copied entries and bytes allowed for each byte of pickle.
pub(crate) const COPY_FACTOR: u64 = 16;
/// Added to every allowance that is proportional to a length, so that short pickles do not exceed it.
pub(crate) const SLACK: u64 = 1 << 16;

/// The result of a pickle.
pub(crate) struct Graph {
    pub(crate) heap: Heap,
    pub(crate) root: Object,
    /// Length of the pickle in bytes.
    pub(crate) n_bytes: u64,
}

/// Runs one pickle up to its STOP. Afterwards `source` is at the next byte.
pub(crate) fn run<R: BufRead>(source: &mut Source<R>) -> Result<Graph, Error> {
    let start = source.at();
    let mut machine = Machine {
        source,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        start,
        at: start,
        copied: 0,
    };
    for _ in 0..MAX_INSTRUCTIONS {
        machine.at = machine.source.at();
        let opcode = machine.source.u8()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Graph { heap: machine.heap, root, n_bytes: source.at() - start });
        }
        machine.step(opcode)?;
    }
    Err(Error::Limit { what: "instructions of the pickle", found: MAX_INSTRUCTIONS + 1, limit: MAX_INSTRUCTIONS })
}

/// The state between two instructions.
pub(super) struct Machine<'a, R> {
    source: &'a mut Source<R>,
    pub(super) heap: Heap,
    stack: Vec<Object>,
    /// Heights of the stack at the open MARKs.
    marks: Vec<usize>,
    memo: HashMap<u64, Object>,
    start: u64,
    /// The position of the current instruction.
    pub(super) at: u64,
    copied: u64,
}

impl<R: BufRead> Machine<'_, R> {
    fn step(&mut self, opcode: u8) -> Result<(), Error> {
        let object = match opcode {
            // Protocol version and frames. A reader that reads byte by byte does not need the lengths of frames.
            0x80 => return self.protocol(),
            0x95 => return self.source.array::<8>().map(drop),
            // Constants.
            b'N' => Object::None,
            0x88 => Object::Bool(true),
            0x89 => Object::Bool(false),
            // Integers.
            b'J' => Object::Int(i64::from(i32::from_le_bytes(self.source.array()?))),
            b'K' => Object::Int(i64::from(self.source.u8()?)),
            b'M' => Object::Int(i64::from(u16::from_le_bytes(self.source.array()?))),
            0x8a => self.long_binary(1)?,
            0x8b => self.long_binary(4)?,
            b'I' => match self.source.line()?.as_slice() {
                b"00" => Object::Bool(false),
                b"01" => Object::Bool(true),
                line => self.decimal(line)?,
            },
            b'L' => {
                let line = self.source.line()?;
                self.decimal(&line)?
            }
            // Floats.
            b'G' => Object::Float(f64::from_be_bytes(self.source.array()?)),
            b'F' => {
                let line = self.source.line()?;
                let number = std::str::from_utf8(&line).ok().and_then(|text| text.trim().parse().ok());
                Object::Float(number.ok_or_else(|| self.malformed("found no number after FLOAT"))?)
            }
            // Text and bytes.
            b'X' => self.utf8(4)?,
            0x8c => self.utf8(1)?,
            0x8d => self.utf8(8)?,
            b'V' => {
                let line = self.source.line()?;
                let text = literal::raw_unicode(&line).ok_or_else(|| self.malformed("a bad escape in UNICODE"))?;
                self.heap.text(text)
            }
            b'T' | b'U' => {
                let bytes = self.sized(if opcode == b'T' { 4 } else { 1 })?;
                self.heap.text_or_bytes(bytes)
            }
            b'S' => {
                let line = self.source.line()?;
                let bytes = literal::quoted(&line).ok_or_else(|| self.malformed("a bad literal in STRING"))?;
                self.heap.text_or_bytes(bytes)
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let bytes = self.sized(match opcode {
                    b'C' => 1,
                    b'B' => 4,
                    _ => 8,
                })?;
                self.heap.bytes(bytes)
            }
            // Containers.
            b']' => self.heap.list(Vec::new()),
            b'}' => self.heap.dict(Vec::new()),
            b')' => self.heap.tuple(Vec::new()),
            b'l' => {
                let items = self.pop_mark()?;
                self.heap.list(items)
            }
            b't' => {
                let items = self.pop_mark()?;
                self.heap.tuple(items)
            }
            b'd' => {
                let items = self.pop_mark()?;
                let entries = self.pairs(&items)?;
                self.heap.dict(entries)
            }
            0x85..=0x87 => {
                let mut items = vec![Object::None; usize::from(opcode - 0x84)];
                for item in items.iter_mut().rev() {
                    *item = self.pop()?;
                }
                self.heap.tuple(items)
            }
            b'a' => {
                let item = self.pop()?;
                return self.append(&[item]);
            }
            b'e' => {
                let items = self.pop_mark()?;
                return self.append(&items);
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                return self.set_items(&[key, value]);
            }
            b'u' => {
                let items = self.pop_mark()?;
                return self.set_items(&items);
            }
            // The stack and the memo.
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(());
            }
            b'0' if self.marks.last() == Some(&self.stack.len()) => return self.pop_mark().map(drop),
            b'0' => return self.pop().map(drop),
            b'1' => return self.pop_mark().map(drop),
            b'2' => self.top()?,
            b'p' => {
                let key = self.memo_line()?;
                return self.put(key);
            }
            b'q' => {
                let key = u64::from(self.source.u8()?);
                return self.put(key);
            }
            b'r' => {
                let key = u64::from(u32::from_le_bytes(self.source.array()?));
                return self.put(key);
            }
            0x94 => return self.put(self.memo.len() as u64),
            b'g' => {
                let key = self.memo_line()?;
                self.fetch(key)?
            }
            b'h' => {
                let key = u64::from(self.source.u8()?);
                self.fetch(key)?
            }
            b'j' => {
                let key = u64::from(u32::from_le_bytes(self.source.array()?));
                self.fetch(key)?
            }
            // Globals and their calls.
            b'c' => {
                let (module, name) = (self.source.line()?, self.source.line()?);
                self.global(&String::from_utf8_lossy(&module), &String::from_utf8_lossy(&name))?
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.heap.str(module), self.heap.str(name)) else {
                    return Err(self.malformed("expected two strings before STACK_GLOBAL"));
                };
                self.global(module, name)?
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.reduce(function, arguments)?
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.top()?;
                return self.build(object, state);
            }
            b'Q' => {
                let id = self.pop()?;
                self.persistent(id)?
            }
            _ => return Err(self.unsupported(opcode)),
        };
        self.stack.push(object);
        Ok(())
    }

    pub(super) fn malformed(&self, what: impl Into<String>) -> Error {
        Error::Pickle { at: self.at, what: what.into() }
    }

    /// Counts `n` entries or bytes that an instruction copies from existing objects.
    pub(super) fn charge(&mut self, n: usize) -> Result<(), Error> {
        self.copied = self.copied.saturating_add(n as u64);
        let limit = (self.source.at() - self.start) * COPY_FACTOR + SLACK;
        if self.copied > limit {
            return Err(Error::Limit { what: "copies made by the pickle", found: self.copied, limit });
        }
        Ok(())
    }

    fn unsupported(&self, opcode: u8) -> Error {
        let hint = match opcode {
            b'P' => "a tensor saved with protocol 0 cannot be read back, not by PyTorch either",
            b'i' | b'o' | 0x92 => "it creates an instance of a class: save the plain state_dict instead",
            0x82..=0x84 => "it refers to a registry outside the file",
            0x8f..=0x91 => "sets are not read: save the plain state_dict instead",
            0x97 | 0x98 => "it refers to a buffer outside the file",
            _ => "the file is damaged, or no pickle",
        };
        Error::Opcode { opcode, at: self.at, hint }
    }

    fn protocol(&mut self) -> Result<(), Error> {
        match self.source.u8()? {
            0..=5 => Ok(()),
            other => Err(self.malformed(format!("found protocol {other}, expected 0 to 5"))),
        }
    }

    fn global(&self, module: &str, name: &str) -> Result<Object, Error> {
        Global::find(module, name, self.at).map(Object::Global)
    }

    // ---- literals

    /// A length of `width` bytes, then that many bytes.
    fn sized(&mut self, width: usize) -> Result<Vec<u8>, Error> {
        let n = match width {
            1 => u64::from(self.source.u8()?),
            4 => u64::from(u32::from_le_bytes(self.source.array()?)),
            _ => u64::from_le_bytes(self.source.array()?),
        };
        self.source.bytes(n)
    }

    fn utf8(&mut self, width: usize) -> Result<Object, Error> {
        let bytes = self.sized(width)?;
        let text = String::from_utf8(bytes).map_err(|_| self.malformed("found a text that is not UTF-8"))?;
        Ok(self.heap.text(text))
    }

    fn long_binary(&mut self, width: usize) -> Result<Object, Error> {
        let bytes = self.sized(width)?;
        if bytes.len() > MAX_INT_BYTES {
            let limit = MAX_INT_BYTES as u64;
            return Err(Error::Limit { what: "bytes of an integer", found: bytes.len() as u64, limit });
        }
        Ok(self.integer(literal::binary_integer(&bytes)))
    }

    fn decimal(&mut self, line: &[u8]) -> Result<Object, Error> {
        match literal::decimal_integer(line) {
            Some(integer) => Ok(self.integer(integer)),
            None => Err(self.malformed("found no integer of at most 320 digits after INT or LONG")),
        }
    }

    fn integer(&mut self, integer: Integer) -> Object {
        match integer {
            Integer::Small(value) => Object::Int(value),
            Integer::Big(decimal) => self.heap.big_int(decimal),
        }
    }

    // ---- containers

    fn pairs(&self, items: &[Object]) -> Result<Vec<(Object, Object)>, Error> {
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.malformed("found a key without a value"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn append(&mut self, items: &[Object]) -> Result<(), Error> {
        let Object::List(at) = self.top()? else { return Err(self.malformed("expected a list to append to")) };
        self.heap.lists[at as usize].extend_from_slice(items);
        Ok(())
    }

    fn set_items(&mut self, items: &[Object]) -> Result<(), Error> {
        let Object::Dict(at) = self.top()? else { return Err(self.malformed("expected a dict to set items of")) };
        let entries = self.pairs(items)?;
        self.heap.dicts[at as usize].extend(entries);
        Ok(())
    }

    // ---- stack and memo

    fn top(&self) -> Result<Object, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..].last().copied().ok_or_else(|| self.malformed("the stack is empty"))
    }

    fn pop(&mut self) -> Result<Object, Error> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_mark(&mut self) -> Result<Vec<Object>, Error> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("found no MARK on the stack"))?;
        Ok(self.stack.split_off(mark))
    }

    fn memo_line(&mut self) -> Result<u64, Error> {
        let line = self.source.line()?;
        let key = std::str::from_utf8(&line).ok().and_then(|text| text.trim().parse().ok());
        key.ok_or_else(|| self.malformed("found no memo number after PUT or GET"))
    }

    fn put(&mut self, key: u64) -> Result<(), Error> {
        let top = self.top()?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn fetch(&self, key: u64) -> Result<Object, Error> {
        self.memo.get(&key).copied().ok_or_else(|| self.malformed(format!("memo {key} was never put")))
    }
}
