//! The commands with few arguments: `label`, `devices`, `catalogue`, `demo`, `gen`.

use clap::Args;
use std::path::PathBuf;

/// Arguments of `label`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  Whose volumes are these?
    intervault label /backup/monday
  What does a label mean?
    intervault label CMS-031024-01-LSAC-00-F-01
  What to write on the cartridges, one block of text for each volume:
    intervault label /backup/monday --sticker")]
pub struct LabelArgs {
    /// A folder of volumes, one volume, tape:PATH, - for standard input, or a label
    #[arg(value_name = "DEVICE|LABEL")]
    pub subject: String,
    /// Print what to stick on each volume: label, number, date, source, contents, until when to keep it
    #[arg(long)]
    pub sticker: bool,
}

/// What `label` is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelOptions {
    /// A path, or the text of a label.
    pub subject: String,
    /// Whether stickers are wanted.
    pub sticker: bool,
}

impl LabelArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> LabelOptions {
        LabelOptions { subject: self.subject.clone(), sticker: self.sticker }
    }
}

/// Arguments of `devices`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  The devices, which one backups go to, whether each can be reached, and its free space:
    intervault devices
  Those of another configuration:
    intervault devices --config ./intervault.toml

The configuration is a TOML file; paths in it count from its folder, and what it does not know it refuses:

  system = \"CMS\"                             # name in labels
  database = \"sqlite:/var/cms/history.db\"    # of backups
  catalogue = \"tables.toml\"
  state = \"/var/lib/intervault\"              # folder of the history
  metrics = \"/var/lib/node/intervault.prom\"  # figures of the last backup, for Prometheus
  default_device = \"nightly\"                 # of backups

  [devices]
  nightly = \"/backup/nightly\"

  [hooks]                                     # whole paths and arguments, no shell
  before = [[\"/usr/local/bin/quiet\", \"on\"]]
  after = [[\"/usr/local/bin/quiet\", \"off\"]]

A name of a device may stand wherever a DEVICE does; ./nightly is a folder of that name. A hook before that fails stops the
backup (status 1); hooks after run always, also when Ctrl-C or SIGTERM ends the backup (SIGKILL alone leaves no time), and
find how it ended in INTERVAULT_RESULT, INTERVAULT_EXIT, INTERVAULT_LABEL, …")]
pub struct DevicesArgs {}

/// Arguments of `catalogue`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  The built-in one, to begin your own with:
    intervault catalogue > tables.toml
  The one in force with your own:
    intervault catalogue --catalogue tables.toml")]
pub struct CatalogueArgs {
    /// A file that extends or replaces the built-in table catalogue
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
}

/// What `catalogue` is asked to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueOptions {
    /// A user's table catalogue.
    pub catalogue: Option<PathBuf>,
}

impl CatalogueArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> CatalogueOptions {
        CatalogueOptions { catalogue: self.catalogue.clone() }
    }
}

/// Arguments of `demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  In a new folder below the system's folder for temporary files:
    intervault demo
  In a folder of your own, which must be empty or not there:
    intervault demo ./try

Works without a network. What it makes stays there to be looked at.")]
pub struct DemoArgs {
    /// The folder to work in
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// In place of what every command has: this one speaks to people alone, and refuses it
    #[arg(long, hide = true)]
    pub json: bool,
}

/// What the demonstration is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoOptions {
    /// The folder; a new temporary one if `None`.
    pub dir: Option<PathBuf>,
}

impl DemoArgs {
    /// The options.
    #[must_use]
    pub fn options(&self) -> DemoOptions {
        DemoOptions { dir: self.dir.clone() }
    }
}

/// Arguments of `gen`.
#[derive(Debug, Clone, Args)]
pub struct GenArgs {
    /// The folder for them, made if it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
