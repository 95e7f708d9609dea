//! Data types and grains.

use serde::{Deserialize, Serialize};

/// The kinds of data that a backup can select (design of the Back Up Data window).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// Local system administration: belongs to one server.
    Local,
    /// CMS system administration.
    System,
    /// ACD-specific administration.
    Acd,
    /// Historical: interval, daily, weekly, monthly rows and events.
    Historical,
    /// Custom: tables and file trees that are no CMS data.
    Custom,
}

impl DataType {
    /// All of them, in label order.
    pub const ALL: [DataType; 5] =
        [DataType::Local, DataType::System, DataType::Acd, DataType::Historical, DataType::Custom];

    /// The bit that stands for it on the media.
    #[must_use]
    pub const fn bit(self) -> u32 {
        match self {
            DataType::Local => 1,
            DataType::System => 2,
            DataType::Acd => 4,
            DataType::Historical => 8,
            DataType::Custom => 16,
        }
    }

    /// The data type of a bit.
    #[must_use]
    pub fn from_bit(bit: u32) -> Option<DataType> {
        DataType::ALL.into_iter().find(|data_type| data_type.bit() == bit)
    }

    /// The word on the command line and in the table catalogue.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DataType::Local => "local",
            DataType::System => "system",
            DataType::Acd => "acd",
            DataType::Historical => "historical",
            DataType::Custom => "custom",
        }
    }
}

/// How much time a row of a table stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grain {
    /// None: administration data, replaced whole.
    None,
    /// An interval of 15, 30 or 60 minutes, or whatever the row says.
    Interval,
    /// A day.
    Daily,
    /// Seven days from the row's date.
    Weekly,
    /// The calendar month of the row's date.
    Monthly,
    /// An instant.
    Event,
}

impl Grain {
    /// All of them, by id.
    pub const ALL: [Grain; 6] =
        [Grain::None, Grain::Interval, Grain::Daily, Grain::Weekly, Grain::Monthly, Grain::Event];

    /// The frozen id on the media.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Grain::None => 0,
            Grain::Interval => 1,
            Grain::Daily => 2,
            Grain::Weekly => 3,
            Grain::Monthly => 4,
            Grain::Event => 5,
        }
    }

    /// The grain of an id.
    #[must_use]
    pub fn from_id(id: u8) -> Option<Grain> {
        Grain::ALL.into_iter().find(|grain| grain.id() == id)
    }

    /// The word in the table catalogue.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Grain::None => "none",
            Grain::Interval => "interval",
            Grain::Daily => "daily",
            Grain::Weekly => "weekly",
            Grain::Monthly => "monthly",
            Grain::Event => "event",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_type_has_a_bit_of_its_own() {
        let bits: Vec<u32> = DataType::ALL.iter().map(|data_type| data_type.bit()).collect();
        assert_eq!(bits, [1, 2, 4, 8, 16]);
        for data_type in DataType::ALL {
            assert_eq!(DataType::from_bit(data_type.bit()), Some(data_type));
        }
        assert_eq!([0, 3, 32].map(DataType::from_bit), [None; 3]);
    }
}
