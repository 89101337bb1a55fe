//! Named tensors: what any model takes and gives.

/// What a tensor's elements are, in the words of the Open Inference Protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the types' own")]
pub enum Datatype {
    Bool,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Int8,
    Int16,
    Int32,
    Int64,
    Bf16,
    Fp16,
    Fp32,
    Fp64,
}

impl Datatype {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Bool,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Bf16,
        Self::Fp16,
        Self::Fp32,
        Self::Fp64,
    ];

    /// The protocol's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOL",
            Self::Uint8 => "UINT8",
            Self::Uint16 => "UINT16",
            Self::Uint32 => "UINT32",
            Self::Uint64 => "UINT64",
            Self::Int8 => "INT8",
            Self::Int16 => "INT16",
            Self::Int32 => "INT32",
            Self::Int64 => "INT64",
            Self::Bf16 => "BF16",
            Self::Fp16 => "FP16",
            Self::Fp32 => "FP32",
            Self::Fp64 => "FP64",
        }
    }

    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bool | Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 | Self::Bf16 | Self::Fp16 => 2,
            Self::Uint32 | Self::Int32 | Self::Fp32 => 4,
            Self::Uint64 | Self::Int64 | Self::Fp64 => 8,
        }
    }
}

/// A tensor with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The input's or output's name.
    pub name: String,
    /// What its elements are.
    pub datatype: Datatype,
    /// Its dimensions; none for a single number.
    pub shape: Vec<usize>,
    /// Its elements, little endian, the last dimension closest together.
    pub data: Vec<u8>,
}

/// An input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// What its elements are; none where it cannot be handed over.
    pub datatype: Option<Datatype>,
    /// Its dimensions; none where one is free.
    pub shape: Vec<Option<usize>>,
}

/// What a model takes and gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// What it takes.
    pub inputs: Vec<TensorInfo>,
    /// What it gives.
    pub outputs: Vec<TensorInfo>,
}
