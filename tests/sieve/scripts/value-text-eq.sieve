require ["relational"];
if header :value "eq" "from" "c" { discard;
}
