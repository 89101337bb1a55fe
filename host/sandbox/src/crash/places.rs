//! From an offset in a component to a line of its source, by the DWARF in it.
//!
//! A plugin may be hostile, and so may its DWARF: nothing here recurses, and all of it together does a bounded
//! number of steps. What is damaged or too large gives no places.

use gimli::{Dwarf, EndianSlice, LittleEndian, Unit};
use wasmparser::{Parser, Payload};

/// Components that are looked at, and sections of DWARF in them.
const MOST_BYTES: usize = 128 << 20;
/// Steps of everything: units, ranges and rows of line tables that are read for one crash.
const STEPS: usize = 4_000_000;
/// Modules of one component.
const MODULES: usize = 256;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// The place of each offset from the start of the component, where it is known: `src/lib.rs:38:24`.
pub(super) fn find(component: &[u8], offsets: &[usize]) -> Vec<Option<String>> {
    let mut places = vec![None; offsets.len()];
    if component.len() > MOST_BYTES {
        return places;
    }
    let mut steps = STEPS;
    for module in modules(component) {
        let Some(code) = module.code.filter(|_| !module.dwarf.is_empty()) else { continue };
        let section = |id: gimli::SectionId| -> Result<Reader<'_>, gimli::Error> {
            let found = module.dwarf.iter().find(|(name, _)| *name == id.name());
            Ok(EndianSlice::new(found.map_or(&[], |(_, bytes)| bytes), LittleEndian))
        };
        let Ok(dwarf) = Dwarf::load(section) else { continue };
        // Addresses in DWARF count from the start of the code.
        let inside = |offset: usize| code.contains(&offset).then(|| (offset - code.start) as u64);
        let wanted: Vec<(usize, u64)> =
            offsets.iter().enumerate().filter_map(|(at, offset)| Some((at, inside(*offset)?))).collect();
        if !wanted.is_empty() {
            // Whatever was found before the damage or the limit stands.
            let _ = look_up(&dwarf, &wanted, &mut places, &mut steps);
        }
    }
    places
}

/// A core module in a component.
#[derive(Default)]
struct Module<'a> {
    /// Where its code section's contents are.
    code: Option<std::ops::Range<usize>>,
    dwarf: Vec<(&'a str, &'a [u8])>,
}

/// The core modules, however deep components are nested; up to where the bytes are damaged.
fn modules(component: &[u8]) -> Vec<Module<'_>> {
    let mut modules: Vec<Module<'_>> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload {
            Ok(Payload::ModuleSection { .. }) if modules.len() == MODULES => break,
            Ok(Payload::ModuleSection { .. }) => modules.push(Module::default()),
            Ok(Payload::CodeSectionStart { range, .. }) => {
                if let Some(module) = modules.last_mut() {
                    module.code = Some(range);
                }
            }
            Ok(Payload::CustomSection(section)) if section.name().starts_with(".debug_") => {
                if let Some(module) = modules.last_mut() {
                    module.dwarf.push((section.name(), section.data()));
                }
            }
            Ok(_) => {}
            Err(_) => break,
        }
    }
    modules
}

/// Nothing more is looked at: the DWARF is damaged, or took all the steps.
struct Stop;

impl From<gimli::Error> for Stop {
    fn from(_: gimli::Error) -> Self {
        Self
    }
}

fn step(steps: &mut usize) -> Result<(), Stop> {
    *steps = steps.checked_sub(1).ok_or(Stop)?;
    Ok(())
}

fn look_up(
    dwarf: &Dwarf<Reader<'_>>,
    wanted: &[(usize, u64)],
    places: &mut [Option<String>],
    steps: &mut usize,
) -> Result<(), Stop> {
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        step(steps)?;
        let unit = dwarf.unit(header)?;
        // Setting a unit up reads its abbreviations and the head of its line table.
        *steps = steps.checked_sub(files(&unit)).ok_or(Stop)?;
        let mut here = Vec::new();
        let mut ranges = dwarf.unit_ranges(&unit)?;
        while let Some(range) = ranges.next()? {
            step(steps)?;
            here.extend(wanted.iter().filter(|(_, address)| (range.begin..range.end).contains(address)));
        }
        if !here.is_empty() {
            lines(dwarf, &unit, &here, places, steps)?;
        }
    }
    Ok(())
}

fn files(unit: &Unit<Reader<'_>>) -> usize {
    unit.line_program.as_ref().map_or(0, |program| program.header().file_names().len())
}

/// Finds addresses in the line table of their unit.
fn lines(
    dwarf: &Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    wanted: &[(usize, u64)],
    places: &mut [Option<String>],
    steps: &mut usize,
) -> Result<(), Stop> {
    let Some(program) = unit.line_program.clone() else { return Ok(()) };
    let mut rows = program.rows();
    let mut before: Option<(u64, u64, u64, u64)> = None;
    while let Some((header, row)) = rows.next_row()? {
        step(steps)?;
        let address = row.address();
        if let Some((start, file, line, column)) = before {
            for (at, _) in wanted.iter().filter(|(_, wanted)| (start..address).contains(wanted)) {
                places[*at] = place(dwarf, unit, header.file(file), line, column);
            }
        }
        let column = match row.column() {
            gimli::ColumnType::LeftEdge => 0,
            gimli::ColumnType::Column(column) => column.get(),
        };
        let line = row.line().map_or(0, std::num::NonZeroU64::get);
        before = (!row.end_sequence()).then(|| (address, row.file_index(), line, column));
    }
    Ok(())
}

/// `src/lib.rs:38:24`: the file as the compiler was given it, or its last parts where that is an absolute path.
fn place(
    dwarf: &Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    file: Option<&gimli::FileEntry<Reader<'_>>>,
    line: u64,
    column: u64,
) -> Option<String> {
    const MOST: usize = 120;
    let name = dwarf.attr_string(unit, file?.path_name()).ok()?;
    let name: String = String::from_utf8_lossy(&name).chars().filter(|c| !c.is_control()).collect();
    let mut parts: Vec<&str> = name.split(['/', '\\']).collect();
    if name.starts_with('/') && parts.len() > 3 {
        parts.drain(..parts.len() - 3);
    }
    let mut text: String = parts.join("/").chars().take(MOST).collect();
    if line > 0 {
        text.push_str(&format!(":{line}"));
        if column > 0 {
            text.push_str(&format!(":{column}"));
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_no_component_has_no_places() {
        for bytes in [&b""[..], b"hello", b"\0asm\x0d\0\x01\0", b"\0asm\x0d\0\x01\0\x01\xff\xff\xff\xff\x0f"] {
            assert_eq!(find(bytes, &[0, 7, usize::MAX]), [None, None, None]);
        }
    }
}
