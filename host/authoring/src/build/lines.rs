//! From a source map to DWARF: a compiler for the web says in the one where each instruction is from, and a crash's
//! report reads the other.

use std::ops::Range;

use serde::Deserialize;
use wasmparser::{Parser, Payload};

/// The parts of a source map that say where instructions are from.
#[derive(Deserialize)]
struct SourceMap {
    sources: Vec<String>,
    mappings: String,
}

/// From this byte of the module on, instructions are from here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    offset: i64,
    source: i64,
    line: i64,
    column: i64,
}

/// Sources that are not the author's: those of the compiler's library, and what is written of the WIT.
const OTHERS: &[&str] = &["~lib/", "bindings/"];

/// The module with a line table made of its source map. Without one, where there is nothing to make it of.
pub(super) fn with_lines(mut module: Vec<u8>, map: &str) -> Vec<u8> {
    let Ok(map) = serde_json::from_str::<SourceMap>(map) else { return module };
    let (Some((code, functions)), Some(mut rows)) = (code(&module), rows(&map.mappings)) else { return module };
    let source = |row: &Row| usize::try_from(row.source).ok().and_then(|source| map.sources.get(source));
    rows.retain(|row| code.contains(&row.offset) && source(row).is_some());
    rows.sort_by_key(|row| row.offset);
    let is_own = |row: &Row| source(row).is_some_and(|source| !OTHERS.iter().any(|other| source.starts_with(other)));
    let mut rows = of_author(rows, &functions, is_own);
    let size = code.end - code.start;
    rows.iter_mut().for_each(|row| row.offset -= code.start);
    let sections = [
        (".debug_abbrev", abbreviations()),
        (".debug_info", unit(size)),
        (".debug_line", table(&map.sources, &rows, size)),
    ];
    for (name, data) in sections {
        let mut section = Vec::new();
        unsigned(&mut section, name.len() as u64);
        section.extend(name.as_bytes());
        section.extend(data);
        module.push(0);
        unsigned(&mut module, section.len() as u64);
        module.extend(section);
    }
    module
}

/// The rows without what the compiler put of others into a function of the author's: there, the line that calls it
/// says more.
fn of_author(rows: Vec<Row>, functions: &[Range<i64>], is_own: impl Fn(&Row) -> bool) -> Vec<Row> {
    let mut kept = Vec::new();
    let mut rest = rows.as_slice();
    for function in functions {
        let (_, inside) = rest.split_at(rest.partition_point(|row| row.offset < function.start));
        let (inside, others) = inside.split_at(inside.partition_point(|row| row.offset < function.end));
        rest = others;
        match inside.iter().find(|row| is_own(row)) {
            Some(first) => {
                kept.push(Row { offset: function.start, ..*first });
                kept.extend(inside.iter().filter(|row| is_own(row)));
            }
            None => kept.extend(inside),
        }
    }
    kept
}

/// Where the contents of the code section are, from which addresses count, and each function in them.
fn code(module: &[u8]) -> Option<(Range<i64>, Vec<Range<i64>>)> {
    let range = |of: Range<usize>| Some(i64::try_from(of.start).ok()?..i64::try_from(of.end).ok()?);
    let (mut code, mut functions) = (None, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::CodeSectionStart { range: of, .. } => code = range(of),
            Payload::CodeSectionEntry(of) => functions.push(range(of.range())?),
            _ => {}
        }
    }
    Some((code?, functions))
}

/// What the mappings say. Each number in them is the difference to the one before.
fn rows(mappings: &str) -> Option<Vec<Row>> {
    let mut row = Row::default();
    let mut rows = Vec::new();
    for segment in mappings.split(',').filter(|segment| !segment.is_empty()) {
        let numbers = numbers(segment)?;
        row.offset += numbers.first()?;
        // Without the others it is from nowhere.
        if let [_, source, line, column, ..] = numbers[..] {
            row.source += source;
            row.line += line;
            row.column += column;
            rows.push(row);
        }
    }
    Some(rows)
}

/// Numbers in base 64, the lowest bits first: of each digit five bits, and one that says that there are more.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut found, mut number, mut shift) = (Vec::new(), 0i64, 0u32);
    for character in segment.bytes() {
        let digit = i64::try_from(DIGITS.iter().position(|digit| *digit == character)?).ok()?;
        number |= (digit & 31).checked_shl(shift)?;
        shift += 5;
        if digit & 32 == 0 {
            found.push(if number & 1 == 1 { -(number >> 1) } else { number >> 1 });
            (number, shift) = (0, 0);
        }
    }
    Some(found)
}

/// `.debug_abbrev`: a unit has a line table, and is from one address to another.
fn abbreviations() -> Vec<u8> {
    const COMPILE_UNIT: u8 = 0x11;
    const WITHOUT_CHILDREN: u8 = 0;
    let (statements, low, high) = ([0x10, 0x17], [0x11, 0x01], [0x12, 0x06]);
    [&[1, COMPILE_UNIT, WITHOUT_CHILDREN][..], &statements, &low, &high, &[0, 0, 0]].concat()
}

/// `.debug_info`: one unit for all of the code.
fn unit(size: i64) -> Vec<u8> {
    let mut unit = vec![4, 0];
    // Where its abbreviations are, bytes of an address, which of them it is, and where its line table is.
    unit.extend([0, 0, 0, 0, 4, 1, 0, 0, 0, 0]);
    unit.extend([0; 4]);
    unit.extend(word(size));
    sized(unit)
}

/// `.debug_line`: a program that makes the rows.
fn table(sources: &[String], rows: &[Row], size: i64) -> Vec<u8> {
    // Bytes of an instruction; operations in one; rows are statements; what special instructions would add, which this
    // program has none of; and how many operands the standard ones have.
    let mut head = vec![1, 1, 1, 0, 1, 13];
    head.extend([0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]);
    // No folders.
    head.push(0);
    for source in sources {
        head.extend(source.bytes().filter(|byte| *byte != 0));
        head.extend([0, 0, 0, 0]);
    }
    head.push(0);

    const COPY: u8 = 1;
    const ADVANCE_ADDRESS: u8 = 2;
    const ADVANCE_LINE: u8 = 3;
    const SET_FILE: u8 = 4;
    const SET_COLUMN: u8 = 5;
    // From address 0 and line 1 on.
    let mut program = vec![0, 5, 2, 0, 0, 0, 0];
    let (mut address, mut line) = (0, 1);
    for row in rows {
        program.push(ADVANCE_ADDRESS);
        unsigned(&mut program, (row.offset - address).unsigned_abs());
        program.push(ADVANCE_LINE);
        signed(&mut program, row.line + 1 - line);
        program.push(SET_FILE);
        unsigned(&mut program, (row.source + 1).unsigned_abs());
        program.push(SET_COLUMN);
        unsigned(&mut program, (row.column + 1).unsigned_abs());
        program.push(COPY);
        (address, line) = (row.offset, row.line + 1);
    }
    program.push(ADVANCE_ADDRESS);
    unsigned(&mut program, (size - address).unsigned_abs());
    program.extend([0, 1, 1]);

    let mut all = vec![4, 0];
    all.extend(word(i64::try_from(head.len()).unwrap_or_default()));
    all.extend(head);
    all.extend(program);
    sized(all)
}

/// Behind its length.
fn sized(data: Vec<u8>) -> Vec<u8> {
    let mut all = word(i64::try_from(data.len()).unwrap_or_default()).to_vec();
    all.extend(data);
    all
}

fn word(number: i64) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

fn unsigned(to: &mut Vec<u8>, mut number: u64) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return to.push(byte);
        }
        to.push(byte | 0x80);
    }
}

fn signed(to: &mut Vec<u8>, mut number: i64) {
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == if byte & 0x40 == 0 { 0 } else { -1 } {
            return to.push(byte);
        }
        to.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_differences_in_base_64() {
        assert_eq!(numbers("AACA,"), None);
        assert_eq!(numbers("gkBAIDhB"), Some(vec![576, 0, 4, -1, -16]));
        let rows = rows("wBAAC,CCEC,E,CDD").expect("they can be read");
        let row = |offset, source, line, column| Row { offset, source, line, column };
        assert_eq!(rows[..2], [row(24, 0, 0, 1), row(25, 1, 2, 2)]);
        assert_eq!(rows.len(), 2, "what says no source, or half of one, is none");
    }

    #[test]
    fn a_function_of_the_author_has_no_lines_of_others() {
        let row = |offset, source, line| Row { offset, source, line, column: 0 };
        // Of source 1, which is another's, there is something in each of three functions.
        let rows = vec![row(11, 1, 5), row(12, 0, 1), row(15, 1, 6), row(18, 0, 2), row(21, 1, 7), row(30, 1, 8)];
        let kept = of_author(rows, &[10..20, 20..29, 29..40], |row| row.source == 0);
        assert_eq!(kept, [row(10, 0, 1), row(12, 0, 1), row(18, 0, 2), row(21, 1, 7), row(30, 1, 8)]);
    }

    #[test]
    fn numbers_are_as_dwarf_has_them() {
        let bytes = |write: fn(&mut Vec<u8>)| {
            let mut to = Vec::new();
            write(&mut to);
            to
        };
        assert_eq!(bytes(|to| unsigned(to, 624_485)), [0xe5, 0x8e, 0x26]);
        assert_eq!(bytes(|to| signed(to, -129)), [0xff, 0x7e]);
        assert_eq!(bytes(|to| signed(to, 64)), [0xc0, 0x00]);
    }

    #[test]
    fn what_is_no_module_or_has_no_map_stays_as_it_is() {
        let empty = b"\0asm\x01\0\0\0".to_vec();
        let map = r#"{"sources": ["a.ts"], "mappings": "wBAAC"}"#;
        for (module, map) in [(&empty, map), (&empty, "{}"), (&b"\0asm\x01\0\0\0\x0a\xff".to_vec(), map)] {
            assert_eq!(&with_lines(module.clone(), map), module);
        }
        // A type, a function of it, and its code.
        let code = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b".to_vec();
        let made = with_lines(code.clone(), map);
        assert!(made.starts_with(&code) && made.windows(11).any(|window| window == b".debug_line"), "{made:?}");
    }
}
