//! The label for people: `CMS-yymmdd-NN-LLLL-NN-L-NN`, as administrators of the product family write it on tapes
//! (CMS High Availability R21, "How to interpret backup information"). Identity never rests on it.

use super::grain::DataType;
use crate::base::time::{Day, civil_of_day, day_of_civil};
use std::fmt;

/// A label, taken apart.
///
/// ```
/// use intervault::schema::label_text::LabelText;
/// let label: LabelText = "CMS-030303-01-LSAX-00-F-02".parse().unwrap();
/// assert_eq!((label.number, label.volume, label.acd), (1, 2, None));
/// assert_eq!(label.to_string(), "CMS-030303-01-LSAX-00-F-02");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelText {
    /// System name, `CMS` by default: 1 to 16 ASCII letters and digits.
    pub system: String,
    /// Day of the backup. Two digits of the year are written: 70 to 99 mean 1970 to 1999, 00 to 69 mean 2000 to 2069.
    pub day: Day,
    /// Number of the backup on its day, from 1; fields widen past 99.
    pub number: u32,
    /// The data types in the set; empty for specific tables (`XXXX`).
    pub data: Vec<DataType>,
    /// The one ACD, or `None` for all (written `00`). Switches count theirs from 1; a number below that is written with `M`
    /// for minus before its digits: `M01`, and `M00` for 0.
    pub acd: Option<i64>,
    /// Whether the backup is incremental (`I`) or full (`F`).
    pub incremental: bool,
    /// Volume number in the set, from 1.
    pub volume: u32,
}

impl LabelText {
    fn letters(&self) -> String {
        let has = |data_type| self.data.contains(&data_type);
        let third = match (has(DataType::Historical), has(DataType::Acd)) {
            (true, true) => 'A',
            (true, false) => 'H',
            (false, true) => 'M',
            (false, false) => 'X',
        };
        let letter = |data_type, letter| if has(data_type) { letter } else { 'X' };
        let (local, system) = (letter(DataType::Local, 'L'), letter(DataType::System, 'S'));
        [local, system, third, letter(DataType::Custom, 'C')].iter().collect()
    }

    /// Whether it can be of this day: a label has two digits of the year, so that it may also be one of another century.
    #[must_use]
    pub fn may_be_of(&self, day: Day) -> bool {
        let written = |day| {
            let (year, month, day) = civil_of_day(day);
            (year.rem_euclid(100), month, day)
        };
        written(self.day) == written(day)
    }

    /// The parts in words, one a line, for `intervault label`.
    #[must_use]
    pub fn explain(&self) -> Vec<(&'static str, String)> {
        let (year, month, day) = civil_of_day(self.day);
        let data = if self.data.is_empty() {
            "specific tables only".to_owned()
        } else {
            self.data.iter().map(|data_type| data_type.name()).collect::<Vec<_>>().join(", ")
        };
        vec![
            ("system", self.system.clone()),
            ("date", format!("{year:04}-{month:02}-{day:02}")),
            ("backup of the day", self.number.to_string()),
            ("data", data),
            ("ACD", self.acd.map_or_else(|| "all ACDs".to_owned(), |acd| acd.to_string())),
            ("mode", if self.incremental { "incremental" } else { "full" }.to_owned()),
            ("volume", self.volume.to_string()),
        ]
    }
}

/// The highest number of a backup on a day among labels; 0 if none of them is of that day. Texts that are no labels count for
/// nothing.
///
/// ```
/// use intervault::schema::label_text::{LabelText, last_of_day};
/// let day = "CMS-261121-01-XXAX-00-F-01".parse::<LabelText>().unwrap().day;
/// let labels = ["CMS-261121-102-XXHX-00-I-01", "CMS-261121-07-LSAC-00-F-03", "CMS-261120-200-LSAC-00-F-01", "spare"];
/// assert_eq!(last_of_day(labels, day), 102);
/// ```
#[must_use]
pub fn last_of_day<'a>(labels: impl IntoIterator<Item = &'a str>, day: Day) -> u32 {
    let labels = labels.into_iter().flat_map(str::parse::<LabelText>);
    labels.filter(|label| label.may_be_of(day)).map(|label| label.number).max().unwrap_or(0)
}

/// The ACD as it stands in a label.
fn acd_digits(acd: Option<i64>) -> String {
    match acd {
        None => "00".to_owned(),
        Some(acd @ 1..) => format!("{acd:02}"),
        Some(acd) => format!("M{:02}", acd.unsigned_abs()),
    }
}

fn parse_acd(digits: &str) -> Result<Option<i64>, String> {
    let wrong = || format!("the ACD {digits:?} is not two or more digits");
    let (minus, number) = digits.strip_prefix('M').map_or(("", digits), |number| ("-", number));
    if number.len() < 2 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let acd: i64 = format!("{minus}{number}").parse().map_err(|_| wrong())?;
    Ok((acd != 0 || minus == "-").then_some(acd))
}

impl fmt::Display for LabelText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_of_day(self.day);
        write!(
            f,
            "{}-{:02}{month:02}{day:02}-{:02}-{}-{}-{}-{:02}",
            self.system,
            year.rem_euclid(100),
            self.number,
            self.letters(),
            acd_digits(self.acd),
            if self.incremental { 'I' } else { 'F' },
            self.volume
        )
    }
}

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no label: {reason}; a label looks like CMS-030303-01-LSAX-00-F-01")]
pub struct LabelTextError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl std::str::FromStr for LabelText {
    type Err = LabelTextError;

    /// Reads a label; the line number `0001` that the manuals' figure prints before it, with or without a blank, is skipped.
    fn from_str(text: &str) -> Result<LabelText, LabelTextError> {
        parse(text.trim()).map_err(|reason| LabelTextError { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<LabelText, String> {
    let numbered = text.strip_prefix("0001").map(str::trim_start).filter(|rest| !rest.starts_with('-'));
    let text = numbered.unwrap_or(text);
    let parts: Vec<&str> = text.split('-').collect();
    let [system, date, number, letters, acd, mode, volume] = parts.as_slice() else {
        return Err(format!("it has {} parts, not 7", parts.len()));
    };
    if system.is_empty() || system.len() > 16 || !system.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err("the system name is not 1 to 16 letters and digits".to_owned());
    }
    let counter = |name: &str, digits: &str| -> Result<u32, String> {
        let fits = (2..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| fits).ok_or_else(|| format!("{name} {digits:?} is not two or more digits"))
    };
    let from_one = |name: &str, digits: &str| match counter(name, digits)? {
        0 => Err(format!("{name} counts from 01")),
        number => Ok(number),
    };
    let (data, acd) = (parse_letters(letters)?, parse_acd(acd)?);
    let incremental = match *mode {
        "F" => false,
        "I" => true,
        other => return Err(format!("the mode is {other:?}, not F or I")),
    };
    if incremental && !data.contains(&DataType::Historical) {
        return Err("an incremental holds historical data, so the third letter must be H or A".to_owned());
    }
    Ok(LabelText {
        system: (*system).to_owned(),
        day: parse_date(date)?,
        number: from_one("the number of the backup", number)?,
        data,
        acd,
        incremental,
        volume: from_one("the volume number", volume)?,
    })
}

fn parse_date(date: &str) -> Result<Day, String> {
    let wrong = || format!("the date {date:?} is not a day as yymmdd");
    if date.len() != 6 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u32 = date.parse().map_err(|_| wrong())?;
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    let century = if year >= 70 { 1900 } else { 2000 };
    day_of_civil(century + year as i32, month, day).ok_or_else(wrong)
}

fn parse_letters(letters: &str) -> Result<Vec<DataType>, String> {
    let chars: Vec<char> = letters.chars().collect();
    let [local, system, third, custom] = chars.as_slice() else {
        return Err(format!("the type {letters:?} has not four letters"));
    };
    let mut data = Vec::new();
    let mut one = |letter: char, known: char, data_type: DataType, place: &str| match letter {
        'X' => Ok(()),
        _ if letter == known => {
            data.push(data_type);
            Ok(())
        }
        _ => Err(format!("the {place} letter of the type is {letter:?}, not {known} or X")),
    };
    one(*local, 'L', DataType::Local, "first")?;
    one(*system, 'S', DataType::System, "second")?;
    match third {
        'A' => data.extend([DataType::Acd, DataType::Historical]),
        'H' => data.push(DataType::Historical),
        'M' => data.push(DataType::Acd),
        'X' => {}
        other => return Err(format!("the third letter of the type is {other:?}, not H, M, A or X")),
    }
    match custom {
        'C' => data.push(DataType::Custom),
        'X' => {}
        other => return Err(format!("the fourth letter of the type is {other:?}, not C or X")),
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> LabelText {
        text.parse().unwrap()
    }

    #[test]
    fn every_combination_of_letters_reads_back() {
        for bits in 0..32u32 {
            let data: Vec<_> = DataType::ALL.into_iter().filter(|data_type| data_type.bit() & bits != 0).collect();
            let incremental = data.contains(&DataType::Historical);
            for acd in [None, Some(1), Some(120), Some(0), Some(-1), Some(-40_000), Some(i64::MIN), Some(i64::MAX)] {
                let made = LabelText {
                    system: "CMS".into(),
                    day: day_of_civil(2026, 11, 21).unwrap(),
                    number: 117,
                    data: data.clone(),
                    acd,
                    incremental,
                    volume: 3,
                };
                assert_eq!(label(&made.to_string()), made);
            }
        }
    }

    #[test]
    fn the_figure_of_the_manual_reads_with_and_without_its_line_number() {
        let plain = label("CMS-991231-02-XXHX-01-I-01");
        assert_eq!(label("0001CMS-991231-02-XXHX-01-I-01"), plain);
        assert_eq!(civil_of_day(plain.day), (1999, 12, 31));
        assert_eq!((plain.acd, plain.incremental), (Some(1), true));
    }

    #[test]
    fn the_line_number_may_stand_apart_and_a_system_may_be_called_like_it() {
        let plain = label("CMS-991231-02-XXHX-01-I-01");
        assert_eq!(label(" 0001 CMS-991231-02-XXHX-01-I-01\n"), plain);
        assert_eq!(label("0001-991231-02-XXHX-01-I-01").system, "0001");
    }

    #[test]
    fn fields_widen_past_99_and_centuries_turn_in_1970() {
        let wide = label("CMS-261121-117-LSAC-120-F-1000");
        assert_eq!((wide.number, wide.acd, wide.volume), (117, Some(120), 1_000));
        assert_eq!(wide.to_string(), "CMS-261121-117-LSAC-120-F-1000");
        let year = |text: &str| civil_of_day(label(&format!("CMS-{text}0101-01-LSAC-00-F-01")).day).0;
        assert_eq!(["70", "99", "00", "69"].map(year), [1970, 1999, 2000, 2069]);
        let far = LabelText { day: day_of_civil(2070, 1, 1).unwrap(), ..wide };
        assert_eq!(civil_of_day(label(&far.to_string()).day).0, 1970, "what two digits cannot say is not said");
    }

    #[test]
    fn an_incremental_has_historical_data_and_specific_tables_are_full() {
        for letters in ["XXXX", "LSMC", "LSXC", "XXXC"] {
            let text = format!("CMS-030303-01-{letters}-00-I-01");
            assert!(text.parse::<LabelText>().is_err(), "{text}");
        }
        assert!(label("CMS-030303-01-LSAC-00-I-01").incremental);
        let specific = label("CMS-030303-01-XXXX-00-F-01");
        assert_eq!((specific.data.len(), specific.explain()[3].1.as_str()), (0, "specific tables only"));
    }

    #[test]
    fn what_is_no_label_is_refused_with_the_part_named() {
        let cases = [
            ("CMS-030303-01-LSAX-00-F", "6 parts"),
            ("CMS-030230-01-LSAX-00-F-01", "yymmdd"),
            ("CMS-030303-00-LSAX-00-F-01", "counts from 01"),
            ("CMS-030303-01-SLAX-00-F-01", "first letter"),
            ("CMS-030303-01-LSAX-00-D-01", "not F or I"),
            ("CMS-030303-01-LSMX-00-I-01", "incremental"),
            ("CMS-030303-01-LSAX-0-F-01", "two or more digits"),
            ("C\u{e9}S-030303-01-LSAX-00-F-01", "system name"),
        ];
        for (text, reason) in cases {
            let error = text.parse::<LabelText>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
