//! Makes of a compiled module what browsers load: the module without its descriptions, and the JavaScript that calls it.
//!
//! `cargo run --package gigamapper-wasm-glue -- MODULE.wasm FOLDER NAME`. The command wasm-bindgen does the same, but whoever builds would have
//! to install the one version that fits; as a library it is pinned with all other crates.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [module, folder, name] = arguments.as_slice() else {
        eprintln!("give the module, the folder for what is made of it, and its name");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name(name).typescript(true).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true);
    // A module that ended is of no use to later calls: they get another one.
    bindgen.reset_state_function(true);
    match bindgen.web(true).and_then(|bindgen| bindgen.generate(Path::new(folder))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
