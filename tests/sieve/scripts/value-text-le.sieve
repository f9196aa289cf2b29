require ["relational"];
if header :value "le" "from" "c" { discard;
}
