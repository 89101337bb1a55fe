use super::*;
use crate::BYTES;

fn leaked(bytes: Vec<u8>) -> &'static [u8] {
    Box::leak(bytes.into_boxed_slice())
}

/// With the checksum that fits.
fn sealed(mut bytes: Vec<u8>) -> &'static [u8] {
    let start = MAGIC.len() + 5;
    let sum = crc32fast::hash(&bytes[start..]);
    bytes[start - 4..start].copy_from_slice(&sum.to_le_bytes());
    leaked(bytes)
}

#[test]
fn a_table_is_written_as_it_was_read() {
    let table = Table::open(BYTES).unwrap();
    let types: Vec<Type> = table.names().map(|name| (*table.find(name).unwrap().unwrap()).clone()).collect();
    assert!(write::table(table.source(), &types).unwrap() == BYTES);
}

#[test]
fn other_bytes_are_refused() {
    let flipped = |place: usize| {
        let mut bytes = BYTES.to_vec();
        bytes[place] ^= 0x10;
        Table::open(leaked(bytes)).err()
    };
    assert_eq!(flipped(0), Some(TableError::Foreign));
    assert_eq!(flipped(4), Some(TableError::Version(VERSION ^ 0x10)));
    for place in (5..BYTES.len()).step_by(BYTES.len() / 50) {
        assert_eq!(flipped(place), Some(TableError::Checksum), "{place}");
    }
    assert_eq!(Table::open(b"").err(), Some(TableError::Foreign));
    assert_eq!(Table::open(leaked([MAGIC, &[VERSION]].concat())).err(), Some(TableError::Short));
    assert_eq!(Table::open(leaked(BYTES[..BYTES.len() / 2].to_vec())).err(), Some(TableError::Checksum));
}

#[test]
fn damage_that_the_checksum_does_not_show_is_an_error_or_another_type_and_never_a_panic() {
    // A small table, so that many places can be tried.
    let table = Table::open(BYTES).unwrap();
    let some = table.names().step_by(40).chain(["AWS::Lambda::Function", "AWS::EC2::Instance"]);
    let mut types: Vec<Type> = some.map(|name| (*table.find(name).unwrap().unwrap()).clone()).collect();
    types.dedup_by_key(|one| one.name);
    let small = write::table("test", &types).unwrap();
    let mut refused = 0;
    for place in (9..small.len()).step_by(small.len() / 400) {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = small.clone();
            bytes[place] ^= flip;
            let Ok(damaged) = Table::open(sealed(bytes)) else {
                refused += 1;
                continue;
            };
            refused += damaged.names().filter(|name| damaged.find(name).is_err()).count();
        }
    }
    assert!(refused > 100, "{refused}");
    for length in (9..small.len()).step_by(small.len() / 40) {
        assert!(Table::open(sealed(small[..length].to_vec())).is_err(), "{length}");
    }
}
