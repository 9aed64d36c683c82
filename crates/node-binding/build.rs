//! Lets the addon leave Node-API's symbols to the process that loads it.

fn main() {
    napi_build::setup();
}
