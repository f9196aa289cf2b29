require ["envelope","subaddress"];
if envelope :detail "to" "news" { discard;
}
