//! Protobuf messages as they are written.

/// The size of one dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dim {
    Size(i64),
    Name(String),
}

/// One message, field by field.
#[derive(Debug, Default, Clone)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(mut self, field: u64, number: i64) -> Self {
        self.0.extend(varint(field << 3));
        self.0.extend(varint(number.cast_unsigned()));
        self
    }

    pub(super) fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    pub(super) fn message(self, field: u64, inner: &Self) -> Self {
        self.bytes(field, &inner.0)
    }

    pub(super) fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.0.extend(head(field, bytes.len() as u64));
        self.0.extend(bytes);
        self
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A ValueInfoProto: a tensor's name, element type and dimensions.
    pub(super) fn value(name: &str, element: i64, dims: &[Dim]) -> Self {
        let dim = |dim: &Dim| match dim {
            Dim::Size(size) => Self::default().number(1, *size),
            Dim::Name(name) => Self::default().text(2, name),
        };
        let shape = dims.iter().fold(Self::default(), |shape, one| shape.message(1, &dim(one)));
        let tensor = Self::default().number(1, element).message(2, &shape);
        Self::default().text(1, name).message(2, &Self::default().message(1, &tensor))
    }

    /// A NodeProto of the standard operators, without attributes.
    pub(super) fn node(operator: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        let inputs = inputs.iter().fold(Self::default(), |node, name| node.text(1, name));
        let node = outputs.iter().fold(inputs, |node, name| node.text(2, name));
        // Named as what it makes.
        node.text(3, outputs.first().copied().unwrap_or(operator)).text(4, operator)
    }

    /// A NodeProto with one more attribute, a whole number.
    pub(super) fn attribute(self, name: &str, number: i64) -> Self {
        /// AttributeProto.AttributeType.INT.
        const INT: i64 = 2;
        self.message(5, &Self::default().text(1, name).number(3, number).number(20, INT))
    }

    /// A TensorProto of whole numbers in one dimension.
    pub(super) fn numbers(name: &str, numbers: &[i64]) -> Self {
        let raw: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::tensor(name, INT64, &[numbers.len() as i64], &raw)
    }

    /// A TensorProto of these elements, lowest byte first.
    pub(super) fn tensor(name: &str, element: i64, dims: &[i64], raw: &[u8]) -> Self {
        let shape = dims.iter().fold(Self::default(), |tensor, size| tensor.number(1, *size));
        shape.number(2, element).text(8, name).bytes(9, raw)
    }
}

/// TensorProto.DataType.FLOAT.
pub(super) const FLOAT: i64 = 1;
/// TensorProto.DataType.INT64.
pub(super) const INT64: i64 = 7;

/// What stands before a field of so many bytes.
pub(super) fn head(field: u64, length: u64) -> Vec<u8> {
    [varint(field << 3 | 2), varint(length)].concat()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10);
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
