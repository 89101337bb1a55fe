//! Elements of tensors in JSON.

use serde_json::{Value, json};

use crate::{Datatype, Tensor};

/// The bytes of elements that are given as a list, or as lists of lists in the order of the dimensions.
pub(super) fn read(name: &str, datatype: Datatype, count: usize, data: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(count.min(1 << 20) * datatype.bytes());
    let mut found = 0;
    each(data, &mut |value| {
        found += 1;
        write(datatype, value, &mut bytes).ok_or_else(|| not_one(name, datatype, value))
    })?;
    match found == count {
        true => Ok(bytes),
        false => Err(format!("the input '{name}' has {found} elements, and its shape needs {count}")),
    }
}

fn not_one(name: &str, datatype: Datatype, value: &Value) -> String {
    match datatype {
        Datatype::Bf16 | Datatype::Fp16 => {
            format!(
                "the input '{name}' is {}, which JSON does not have; send it as binary tensor data",
                datatype.name()
            )
        }
        _ => format!("the input '{name}' has elements of {}, and {value} is not one", datatype.name()),
    }
}

fn each(value: &Value, take: &mut impl FnMut(&Value) -> Result<(), String>) -> Result<(), String> {
    match value {
        Value::Array(all) => all.iter().try_for_each(|value| each(value, take)),
        value => take(value),
    }
}

/// Appends an element; nothing where it is none of these.
fn write(datatype: Datatype, value: &Value, to: &mut Vec<u8>) -> Option<()> {
    macro_rules! whole {
        ($type:ty, $as:ident) => {
            to.extend(<$type>::try_from(value.$as()?).ok()?.to_le_bytes())
        };
    }
    match datatype {
        Datatype::Bool => to.push(u8::from(value.as_bool()?)),
        Datatype::Uint8 => whole!(u8, as_u64),
        Datatype::Uint16 => whole!(u16, as_u64),
        Datatype::Uint32 => whole!(u32, as_u64),
        Datatype::Uint64 => whole!(u64, as_u64),
        Datatype::Int8 => whole!(i8, as_i64),
        Datatype::Int16 => whole!(i16, as_i64),
        Datatype::Int32 => whole!(i32, as_i64),
        Datatype::Int64 => whole!(i64, as_i64),
        Datatype::Bf16 | Datatype::Fp16 => return None,
        Datatype::Fp32 => {
            let number = value.as_f64()? as f32;
            to.extend(number.is_finite().then_some(number)?.to_le_bytes());
        }
        Datatype::Fp64 => to.extend(value.as_f64()?.to_le_bytes()),
    }
    Some(())
}

/// A tensor's elements as a list.
pub(super) fn list(of: &Tensor) -> Result<Vec<Value>, String> {
    let one = |bytes: &[u8]| {
        element(of.datatype, bytes).ok_or_else(|| match of.datatype {
            Datatype::Bf16 | Datatype::Fp16 => {
                format!(
                    "the output '{}' is {}, which JSON does not have; request binary_data",
                    of.name,
                    of.datatype.name()
                )
            }
            _ => format!(
                "the output '{}' contains values that JSON does not have (NaN, infinity); request binary_data",
                of.name
            ),
        })
    };
    of.data.chunks_exact(of.datatype.bytes()).map(one).collect()
}

fn element(datatype: Datatype, bytes: &[u8]) -> Option<Value> {
    macro_rules! number {
        ($type:ty) => {
            <$type>::from_le_bytes(bytes.try_into().ok()?)
        };
    }
    Some(match datatype {
        Datatype::Bool => json!(bytes != [0]),
        Datatype::Uint8 => json!(number!(u8)),
        Datatype::Uint16 => json!(number!(u16)),
        Datatype::Uint32 => json!(number!(u32)),
        Datatype::Uint64 => json!(number!(u64)),
        Datatype::Int8 => json!(number!(i8)),
        Datatype::Int16 => json!(number!(i16)),
        Datatype::Int32 => json!(number!(i32)),
        Datatype::Int64 => json!(number!(i64)),
        Datatype::Bf16 | Datatype::Fp16 => return None,
        Datatype::Fp32 => json!(Some(number!(f32)).filter(|number| number.is_finite())?),
        Datatype::Fp64 => json!(Some(number!(f64)).filter(|number| number.is_finite())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back_as_they_were_and_others_are_refused() {
        for (datatype, good, bad) in [
            (Datatype::Bool, json!([true, false]), json!([1, "true", null])),
            (Datatype::Uint8, json!([0, 255]), json!([256, -1, 1.5, "1", true])),
            (Datatype::Uint16, json!([65_535]), json!([65_536])),
            (Datatype::Uint32, json!([4_294_967_295_u32]), json!([4_294_967_296_u64])),
            (Datatype::Uint64, json!([u64::MAX]), json!([-1, 1e30])),
            (Datatype::Int8, json!([-128, 127]), json!([128])),
            (Datatype::Int16, json!([-32_768]), json!([40_000])),
            (Datatype::Int32, json!([i32::MIN, i32::MAX]), json!([3_000_000_000_u32])),
            // Beyond 2^53 too.
            (Datatype::Int64, json!([i64::MIN, i64::MAX]), json!([u64::MAX, 1.0])),
            (Datatype::Fp32, json!([0.5, -2.0, 3.0]), json!([1e300, "x", true])),
            (Datatype::Fp64, json!([0.1, 1e300]), json!([null])),
        ] {
            let count = good.as_array().expect("a list").len();
            let data = read("x", datatype, count, &good).expect("they fit");
            let tensor = Tensor { name: "x".into(), datatype, shape: vec![count], data };
            assert_eq!(json!(list(&tensor).expect("they are numbers")), good, "{datatype:?}");
            for value in bad.as_array().expect("a list") {
                let error = read("x", datatype, 1, value).expect_err("it does not fit");
                assert!(error.contains(datatype.name()) && error.contains("is not one"), "{error}");
            }
        }
        assert_eq!(read("x", Datatype::Int8, 4, &json!([[1, 2], [3, 4]])), Ok(vec![1, 2, 3, 4]));
        let error = read("x", Datatype::Int8, 3, &json!([1, 2])).expect_err("too few");
        assert_eq!(error, "the input 'x' has 2 elements, and its shape needs 3");
        for datatype in [Datatype::Bf16, Datatype::Fp16] {
            let error = read("x", datatype, 1, &json!([1])).expect_err("JSON has none");
            assert!(error.contains(datatype.name()) && error.contains("send it as binary tensor data"), "{error}");
        }
        let nan = f32::NAN.to_le_bytes().to_vec();
        for (datatype, data) in [(Datatype::Fp32, nan), (Datatype::Bf16, vec![0, 0]), (Datatype::Fp16, vec![0, 0])] {
            let tensor = Tensor { name: "x".into(), datatype, shape: vec![1], data };
            assert!(list(&tensor).expect_err("no number").contains("request binary_data"));
        }
    }
}
