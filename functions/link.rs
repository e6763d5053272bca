//! How the functions are linked as they are deployed: the build script of each of them.

fn main() {
    println!("cargo::rerun-if-changed=../link.rs");
    println!("cargo::rerun-if-changed=../no-unwinding.ld");
    // Of `.cargo/config.toml` beside this file, which is read for what is deployed and for nothing else.
    if std::env::var("OPT_LEVEL").as_deref() != Ok("z") {
        return;
    }
    // Where it is loaded is known to the linker, or else each start begins with 19,000 addresses to put right.
    println!("cargo::rustc-link-arg=-no-pie");
    println!("cargo::rustc-link-arg=-Wl,-T,{}/../no-unwinding.ld", env!("CARGO_MANIFEST_DIR"));
}
