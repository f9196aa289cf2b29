require ["subaddress"];
if address :detail :matches ["to","cc"] "*" { discard;
}
