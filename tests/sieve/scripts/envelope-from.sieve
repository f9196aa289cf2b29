require ["envelope"];
if envelope "from" "alice@x.org" { discard;
}
