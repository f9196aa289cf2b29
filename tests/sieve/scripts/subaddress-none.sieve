require ["subaddress"];
if address :detail :contains ["to","from"] "" { discard;
}
