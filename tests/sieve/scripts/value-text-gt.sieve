require ["relational"];
if header :value "gt" "from" "c" { discard;
}
