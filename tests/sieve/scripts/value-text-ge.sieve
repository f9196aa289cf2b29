require ["relational"];
if header :value "ge" "from" "c" { discard;
}
