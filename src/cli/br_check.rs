//! The dialogue of `br_check`: device type, device path, the ACDs on the volume, then list or verify. Asks only for what
//! was not given. Reads standard input, so that a script can drive it too.

use super::args::{BrCheckArgs, BrDevice, CheckWork};
use super::commands::check::{Judging, judge};
use super::commands::open;
use super::commands::proving::Proving;
use super::exit::Exit;
use super::failure::Failure;
use super::job::Job;
use super::output::Output;
use super::parse::DevicePath;
use super::progress::Progress;
use super::prompt::heard;
use super::render::check::{acd_numbers, head_text};
use super::render::text::escape;
use crate::check::{self, SetOutline};
use crate::device::directory::DirectoryDevice;
use crate::device::traits::Device;
use crate::history::entry::Kind;
use crate::verify::Depth;
use clap::ValueEnum as _;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// The first question. Who knows the program from before knows q for a tape.
const TYPE: &str = "Enter device type [d for directory, f for file, q for tape]:";

/// What was given on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Kind of device.
    pub device: Option<BrDevice>,
    /// Path of the device.
    pub path: Option<PathBuf>,
    /// What to do.
    pub work: Option<CheckWork>,
}

impl From<&BrCheckArgs> for Given {
    fn from(args: &BrCheckArgs) -> Given {
        let work = match (args.list, args.verify) {
            (_, true) => Some(CheckWork::Verify(Depth::Rows)),
            (true, false) => Some(CheckWork::List),
            (false, false) => None,
        };
        Given { device: args.device_type, path: args.path.clone(), work }
    }
}

/// Volumes that were opened, as the dialogue needs them.
pub trait Inspected {
    /// What is said of the volumes first, in lines: labels, sources, times, what is here.
    fn about(&self) -> Vec<String>;

    /// The ACDs on the volumes, ascending.
    fn acds(&self) -> Vec<i64>;

    /// Lists the tables.
    ///
    /// # Errors
    /// The volumes cannot be read.
    fn list(&mut self, output: &Output) -> Result<Exit, Failure>;

    /// Verifies the volumes.
    ///
    /// # Errors
    /// The volumes cannot be read.
    fn verify(&mut self, output: &Output) -> Result<Exit, Failure>;
}

/// Opens the volumes at a path.
pub type Open<'a> = dyn FnMut(BrDevice, &Path) -> Result<Box<dyn Inspected>, Failure> + 'a;

/// The program.
///
/// # Errors
/// The input ends before everything was answered, or the volumes cannot be read.
pub fn run(given: &Given, input: &mut dyn BufRead, output: &Output) -> Result<Exit, Failure> {
    dialogue(given, input, output, &mut |device, path| {
        let device: Box<dyn Device> = match device {
            BrDevice::Directory => Box::new(DirectoryDevice::open(path)?),
            BrDevice::File if path.is_dir() => {
                return Err(Failure::usage(format!("{} is a folder", path.display())).hint("its device type is d"));
            }
            BrDevice::File => open::file(path)?,
            BrDevice::Tape => open::volumes(&DevicePath::Tape(path.to_owned()))?,
        };
        device.remarks().iter().for_each(|remark| output.warning(remark));
        // Looked at once, so that nothing has to be kept open while a question waits; then again to be judged.
        let found = check::find(device.as_ref(), None)?;
        let outlines = found.sets.iter().map(|set| found.outline(set)).collect();
        drop(found);
        Ok(Box::new(Volumes { device, outlines }))
    })
}

/// The volumes of a device.
struct Volumes {
    device: Box<dyn Device>,
    outlines: Vec<SetOutline>,
}

impl Volumes {
    fn judge(&self, proves: bool, output: &Output) -> Result<Exit, Failure> {
        let found = check::find(self.device.as_ref(), None)?;
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(16);
        let proving = proves.then(|| Proving::whole(Depth::Rows, jobs));
        let place = self.device.place();
        let judging = Judging { proving: proving.as_ref(), place: &place, places: None, chains: true, turns: None };
        judge(&found, &judging, &Progress::new(output), &Job::new(Kind::Check), output)
    }
}

impl Inspected for Volumes {
    fn about(&self) -> Vec<String> {
        self.outlines
            .iter()
            .flat_map(|outline| head_text(outline).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    fn acds(&self) -> Vec<i64> {
        acd_numbers(&self.outlines)
    }

    fn list(&mut self, output: &Output) -> Result<Exit, Failure> {
        self.judge(false, output)
    }

    fn verify(&mut self, output: &Output) -> Result<Exit, Failure> {
        self.judge(true, output)
    }
}

/// The dialogue, with volumes that `open` opens. To verify is also to list.
///
/// # Errors
/// As [`run`].
pub fn dialogue(given: &Given, input: &mut dyn BufRead, output: &Output, open: &mut Open<'_>) -> Result<Exit, Failure> {
    let device = match given.device {
        Some(device) => device,
        None => choose(input, output, TYPE, |said| BrDevice::from_str(said, true).ok())?,
    };
    let path = match &given.path {
        Some(path) => path.clone(),
        None => choose(input, output, "Enter device path:", |said| (!said.is_empty()).then(|| PathBuf::from(said)))?,
    };
    let mut volumes = open(device, &path)?;
    if !output.json() {
        for line in volumes.about() {
            output.line(&escape(&line));
        }
        output.line(&acd_line(&volumes.acds()));
    }
    let work = match given.work {
        Some(work) => work,
        None => {
            choose(input, output, "Enter l to list the tables or v to also verify the volume:", |said| match said {
                "l" | "L" => Some(CheckWork::List),
                "v" | "V" => Some(CheckWork::Verify(Depth::Rows)),
                _ => None,
            })?
        }
    };
    match work {
        CheckWork::List => volumes.list(output),
        CheckWork::Verify(_) => volumes.verify(output),
    }
}

fn acd_line(acds: &[i64]) -> String {
    if acds.is_empty() {
        return "No ACD on the volume.".to_owned();
    }
    let numbers: Vec<String> = acds.iter().map(i64::to_string).collect();
    format!("ACD(s) on the volume: {}", numbers.join(", "))
}

/// How often one thing is asked: a program that answers does so for ever.
const ASKED_AT_MOST: u32 = 20;

/// Asks until the answer is one of those that are understood, a few times.
fn choose<T>(
    input: &mut dyn BufRead,
    output: &Output,
    question: &str,
    understand: impl Fn(&str) -> Option<T>,
) -> Result<T, Failure> {
    if output.json() {
        return Err(
            Failure::usage("with --json nothing is asked").hint("give --type and --path, and --list or --verify")
        );
    }
    for _ in 0..ASKED_AT_MOST {
        output.ask(question);
        let said = match heard(input)? {
            Some(Ok(said)) => said,
            Some(Err(why)) => {
                output.notice(why);
                continue;
            }
            None => {
                output.line("");
                return Err(Failure::usage("the input ended before the question was answered")
                    .hint("give --type and --path, and --list or --verify"));
            }
        };
        if let Some(understood) = understand(&said) {
            return Ok(understood);
        }
        output.notice(&format!("\"{said}\" is no answer to that"));
    }
    Err(Failure::usage(format!("{ASKED_AT_MOST} answers were none to that question"))
        .hint("give --type and --path, and --list or --verify"))
}

#[cfg(test)]
mod tests {
    use super::super::output::Style;
    use super::super::output::tests::captured;
    use super::*;

    struct Two {
        acds: Vec<i64>,
    }

    impl Inspected for Two {
        fn about(&self) -> Vec<String> {
            vec!["CMS-031024-01-LSAC-00-F-01\u{1b}[2J".to_owned()]
        }

        fn acds(&self) -> Vec<i64> {
            self.acds.clone()
        }

        fn list(&mut self, output: &Output) -> Result<Exit, Failure> {
            output.line("hsplit");
            Ok(Exit::Warnings)
        }

        fn verify(&mut self, output: &Output) -> Result<Exit, Failure> {
            output.line("damaged");
            Ok(Exit::Damage)
        }
    }

    fn talk(given: &Given, said: &str, style: Style) -> (Result<Exit, Failure>, String, Option<(BrDevice, PathBuf)>) {
        let (output, out, _) = captured(style);
        let mut opened = None;
        let result = dialogue(given, &mut said.as_bytes(), &output, &mut |device, path| {
            opened = Some((device, path.to_owned()));
            Ok(Box::new(Two { acds: vec![1, 3] }))
        });
        (result, out.text(), opened)
    }

    #[test]
    fn the_dialogue_is_the_one_that_its_users_know() {
        let (result, text, opened) = talk(&Given::default(), "d\n/backup/monday\nl\n", Style::default());
        assert_eq!(result, Ok(Exit::Warnings));
        assert_eq!(opened, Some((BrDevice::Directory, "/backup/monday".into())));
        let wanted = "Enter device type [d for directory, f for file, q for tape]: Enter device path: \
                      CMS-031024-01-LSAC-00-F-01\\u{1b}[2J\nACD(s) on the volume: 1, 3\n\
                      Enter l to list the tables or v to also verify the volume: hsplit\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn wrong_answers_are_asked_again_and_a_verification_gives_its_own_status() {
        let (result, text, opened) = talk(&Given::default(), "x\nf\n\n/v.ivol\nx\nv\n", Style::default());
        assert_eq!(result, Ok(Exit::Damage));
        assert!(text.ends_with("damaged\n") && !text.contains("hsplit"), "{text}");
        assert_eq!(text.matches("Enter device type").count(), 2);
        assert_eq!(text.matches("Enter device path").count(), 2);
        assert_eq!(opened, Some((BrDevice::File, "/v.ivol".into())));
    }

    #[test]
    fn whoever_answers_nonsense_for_ever_is_not_asked_for_ever() {
        let (result, text, opened) = talk(&Given::default(), &"y\u{1b}\n".repeat(1_000), Style::default());
        assert_eq!((result.unwrap_err().exit, opened), (Exit::Usage, None));
        assert_eq!(text.matches("Enter device type").count(), 20);
        let (output, _, err) = captured(Style::default());
        let opens =
            &mut |_: BrDevice, _: &Path| -> Result<Box<dyn Inspected>, Failure> { Ok(Box::new(Two { acds: vec![] })) };
        let _ended = dialogue(&Given::default(), &mut "y\u{1b}\n".as_bytes(), &output, opens);
        assert_eq!(err.text(), "\"y\\u{1b}\" is no answer to that\n");
    }

    #[test]
    fn a_tape_is_named_by_any_of_its_words() {
        for word in ["q", "Q", "t", "tape", "qtape"] {
            let (_, _, opened) = talk(&Given::default(), &format!("{word}\n/dev/nst0\nl\n"), Style::default());
            assert_eq!(opened, Some((BrDevice::Tape, "/dev/nst0".into())), "{word}");
        }
    }

    #[test]
    fn what_is_given_is_not_asked() {
        let given = Given { device: Some(BrDevice::File), path: Some("/v".into()), work: Some(CheckWork::List) };
        let (result, text, _) = talk(&given, "", Style::default());
        assert_eq!((result, text.contains("Enter")), (Ok(Exit::Warnings), false));
    }

    #[test]
    fn an_input_that_ends_is_a_usage_error() {
        for said in ["", "d\n", "d\n/b\n", "d\n/b\nmaybe\n"] {
            let (result, ..) = talk(&Given::default(), said, Style::default());
            assert_eq!(result.unwrap_err().exit, Exit::Usage, "{said:?}");
        }
        let (result, text, _) = talk(&Given::default(), "d\n/b\nl\n", Style { json: true, ..Style::default() });
        assert_eq!((result.unwrap_err().exit, text.as_str()), (Exit::Usage, ""));
    }
}
