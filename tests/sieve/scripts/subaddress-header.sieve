require ["subaddress"];
if address :detail "reply-to" "tag" { discard;
}
