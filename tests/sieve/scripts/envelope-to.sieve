require ["envelope"];
if envelope :localpart ["from","to"] ["sales","bob"] { discard;
}
