//! `intervault gen`: shell completions and manual pages, from the same definitions that read the arguments.

use crate::cli::args::{BrCheckArgs, Cli};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use clap::{Command, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;
use std::io;
use std::path::Path;

/// Writes `completions/` and `man/` below a folder.
///
/// # Errors
/// The folder cannot be written.
pub fn run(dir: &Path, output: &Output) -> Result<Exit, Failure> {
    let files = write(dir)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot write below {}: {error}", dir.display())))?;
    output.notice(&format!("{files} files written below {}", dir.display()));
    Ok(Exit::Done)
}

fn write(dir: &Path) -> io::Result<usize> {
    let (completions, man) = (dir.join("completions"), dir.join("man"));
    std::fs::create_dir_all(&completions)?;
    std::fs::create_dir_all(&man)?;
    let mut files = 0;
    for program in [Cli::command(), BrCheckArgs::command()] {
        for shell in Shell::value_variants() {
            let name = program.get_name().to_owned();
            clap_complete::generate_to(*shell, &mut program.clone(), name, &completions)?;
            files += 1;
        }
        let mut program = program;
        program.build();
        files += pages(&program, program.get_name(), &man)?;
    }
    Ok(files)
}

fn pages(command: &Command, name: &str, man: &Path) -> io::Result<usize> {
    let mut page = Vec::new();
    let named: &'static str = Box::leak(name.to_owned().into_boxed_str());
    clap_mangen::Man::new(command.clone().name(named)).render(&mut page)?;
    // A path that is hyphenated at the end of a line is another path.
    let page = String::from_utf8_lossy(&page).replacen("\n.SH", "\n.nh\n.SH", 1);
    std::fs::write(man.join(format!("{name}.1")), page)?;
    let mut files = 1;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        files += pages(sub, &format!("{name}-{}", sub.get_name()), man)?;
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_and_every_command_has_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path()).unwrap();
        assert_eq!(files, 2 * Shell::value_variants().len() + 1 + 20 + 1);
        let page = std::fs::read_to_string(folder.path().join("man/intervault-restore.1")).unwrap();
        assert!(page.contains("uncovered") && page.contains("Examples"), "{page}");
        assert!(page.find("\n.nh\n") < page.find("\n.SH"), "paths are hyphenated: {page}");
        assert!(page.contains("resume") && !page.contains("stop-at"), "options of a later release are not shown");
        assert!(folder.path().join("completions/intervault.bash").exists());
        assert!(folder.path().join("man/br_check.1").exists());
        assert!(!folder.path().join("man/intervault-gen.1").exists());
    }
}
