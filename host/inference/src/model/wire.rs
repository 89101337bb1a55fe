//! Just enough of the protobuf wire format to walk an ONNX file without reading its weights.

use std::fs::File;
use std::io::{BufReader, Read};

/// A file that is read forwards, with skips.
pub(super) struct Wire {
    file: BufReader<File>,
    position: u64,
    length: u64,
}

/// One field's value; a message is given by where it ends, to be walked or skipped.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Number(u64),
    Fixed,
    Bytes { end: u64 },
}

impl Wire {
    pub(super) fn new(file: File) -> std::io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: BufReader::with_capacity(1 << 16, file), position: 0, length })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The next field before `end`: its number and value.
    pub(super) fn field(&mut self, end: u64) -> Result<Option<(u64, Value)>, String> {
        if self.position == end {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.skip(8).map(|()| Value::Fixed)?,
            5 => self.skip(4).map(|()| Value::Fixed)?,
            2 => {
                let length = self.varint()?;
                let stop = self.position.checked_add(length).ok_or("a length is out of range")?;
                if stop > end {
                    return Err(match end == self.length {
                        true => format!("the file ends early: {} bytes are missing", stop - end),
                        false => "a field is longer than what holds it".to_owned(),
                    });
                }
                Value::Bytes { end: stop }
            }
            kind => return Err(format!("byte {} is not a field (wire type {kind})", self.position - 1)),
        };
        match tag >> 3 {
            0 => Err(format!("byte {} is not a field (number 0)", self.position - 1)),
            number if self.position <= end => Ok(Some((number, value))),
            _ => Err("a field is longer than what holds it".to_owned()),
        }
    }

    /// Skips to where a message or string ends.
    pub(super) fn leave(&mut self, end: u64) -> Result<(), String> {
        self.skip(end - self.position)
    }

    /// A short string.
    pub(super) fn text(&mut self, end: u64) -> Result<String, String> {
        const LONGEST: u64 = 1 << 16;
        let length = end - self.position;
        if length > LONGEST {
            return Err(format!("a name is {length} bytes long"));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("checked against a small limit")];
        self.file.read_exact(&mut bytes).map_err(|error| error.to_string())?;
        self.position = end;
        String::from_utf8(bytes).map_err(|_| "a name is not UTF-8".to_owned())
    }

    /// The next of numbers that are packed up to `end`.
    pub(super) fn packed(&mut self, end: u64) -> Result<Option<u64>, String> {
        if self.position >= end {
            return Ok(None);
        }
        let number = self.varint()?;
        match self.position <= end {
            true => Ok(Some(number)),
            false => Err("a number is longer than what holds it".to_owned()),
        }
    }

    /// Up to eight bytes as one number, the lowest first.
    pub(super) fn bytes(&mut self, end: u64) -> Result<u64, String> {
        let (mut bytes, length) = ([0; 8], usize::try_from(end - self.position).unwrap_or(usize::MAX));
        let part = bytes.get_mut(..length).ok_or("a number has more than eight bytes")?;
        self.file.read_exact(part).map_err(|error| error.to_string())?;
        self.position = end;
        Ok(u64::from_le_bytes(bytes))
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        if self.position + count > self.length {
            return Err("the file ends early".to_owned());
        }
        let by = i64::try_from(count).map_err(|_| "a length is out of range".to_owned())?;
        self.file.seek_relative(by).map_err(|error| error.to_string())?;
        self.position += count;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.file.read_exact(&mut byte).map_err(|_| "the file ends early".to_owned())?;
            self.position += 1;
            value |= u64::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(format!("byte {} is not a number", self.position))
    }
}
