//! The attribute `#[test]` of mailcore-watchdog: the standard one, with a first statement that starts the watchdog.
//! It reads no more of the function than its name and its body, so it needs no parser of Rust.

use proc_macro::{Group, TokenStream, TokenTree};

/// Marks a test, as the standard attribute does, and has it watched from its first statement until its last local
/// variable is dropped.
#[proc_macro_attribute]
pub fn test(_: TokenStream, item: TokenStream) -> TokenStream {
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let named = tokens.windows(2).find(|pair| pair[0].to_string() == "fn").map(|pair| pair[1].to_string());
    let (Some(name), Some(TokenTree::Group(body))) = (named, tokens.pop()) else {
        return "::core::compile_error!(\"#[test] marks functions\");".parse().expect("tokens");
    };
    let watch = format!(
        "let _watched = ::mailcore_watchdog::watch(::core::concat!(::core::module_path!(), \"::\", \"{name}\"));"
    );
    let mut statements: TokenStream = watch.parse().expect("tokens");
    statements.extend(body.stream());
    let mut watched = Group::new(body.delimiter(), statements);
    watched.set_span(body.span());
    let mut test: TokenStream = "#[::core::prelude::v1::test]".parse().expect("tokens");
    test.extend(tokens);
    test.extend([TokenTree::Group(watched)]);
    test
}
