require ["index"];
if address :index 2 :localpart "to" "other" { discard;
}
