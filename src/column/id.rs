//! The ids of encodings and of their parts. Frozen: an id never changes its meaning; a better way gets a new id.

/// Whole numbers as a number stream.
pub const INTEGERS: u16 = 1;
/// Floating point numbers, their bits as a number stream.
pub const REALS: u16 = 2;
/// Floating point numbers that are whole after a shift of the decimal point, as a number stream.
pub const SCALED_REALS: u16 = 3;
/// Texts or blobs: lengths, then all bytes.
pub const STRINGS: u16 = 4;
/// Texts or blobs: the distinct ones, then which one each row holds.
pub const STRING_DICTIONARY: u16 = 5;
/// Texts `YYYY-MM-DD` as days.
pub const DATES: u16 = 6;
/// Texts `YYYY-MM-DD HH:MM:SS` as seconds.
pub const TIMESTAMPS: u16 = 7;
/// Decimal texts with equally many digits after the point, as whole numbers.
pub const DECIMALS: u16 = 8;
/// Texts of up to 17 digits as whole numbers.
pub const DIGITS: u16 = 9;
/// Texts of equally many digits, cut into groups, each group a number stream.
pub const DIGIT_GROUPS: u16 = 10;
/// The same column as an earlier one of the chunk.
pub const EQUAL: u16 = 11;
/// Whole numbers as differences from an earlier column of the chunk.
pub const DIFFERENCE: u16 = 12;

/// Every encoding with its name in the specification.
pub const ENCODINGS: &[(u16, &str)] = &[
    (INTEGERS, "integers"),
    (REALS, "reals"),
    (SCALED_REALS, "scaled reals"),
    (STRINGS, "strings"),
    (STRING_DICTIONARY, "string dictionary"),
    (DATES, "dates"),
    (TIMESTAMPS, "timestamps"),
    (DECIMALS, "decimals"),
    (DIGITS, "digits"),
    (DIGIT_GROUPS, "digit groups"),
    (EQUAL, "equal"),
    (DIFFERENCE, "difference"),
];

/// The forms of a number stream; its first byte.
pub mod form {
    /// One value for all.
    pub const CONSTANT: u8 = 1;
    /// A base and equally wide rests.
    pub const NARROW: u8 = 2;
    /// As narrow, byte by byte: all lowest bytes first.
    pub const PLANES: u8 = 3;
    /// A byte that says how large, and raw low bits.
    pub const TOKENS: u8 = 4;
    /// One common value and the exceptions.
    pub const SPARSE: u8 = 5;
    /// The distinct values, then which one each is.
    pub const DICTIONARY: u8 = 6;
    /// The first value and the steps.
    pub const DELTA: u8 = 7;

    /// Every form with its name in the specification.
    pub const FORMS: &[(u8, &str)] = &[
        (CONSTANT, "constant"),
        (NARROW, "narrow"),
        (PLANES, "planes"),
        (TOKENS, "tokens"),
        (SPARSE, "sparse"),
        (DICTIONARY, "dictionary"),
        (DELTA, "delta"),
    ];
}

/// The methods of a byte stream; its first byte.
pub mod method {
    /// Bytes as they are.
    pub const RAW: u8 = 1;
    /// One zstd frame.
    pub const ZSTD: u8 = 2;

    /// Every method with its name in the specification.
    pub const METHODS: &[(u8, &str)] = &[(RAW, "raw"), (ZSTD, "zstd")];
}

/// Storage classes as stored in the head byte of a column and before a stray value.
pub mod class {
    /// Whole number.
    pub const INTEGER: u8 = 0;
    /// Binary floating point.
    pub const REAL: u8 = 1;
    /// Text.
    pub const TEXT: u8 = 2;
    /// Bytes.
    pub const BLOB: u8 = 3;
    /// Bit of the head byte: the column has nulls.
    pub const HAS_NULLS: u8 = 4;
    /// Bit of the head byte: the column has strays.
    pub const HAS_STRAYS: u8 = 8;
}

/// Number streams lie in one another at most this deep; the outermost counts as 1.
pub const NUMBERS_DEPTH_MAX: u32 = 4;
