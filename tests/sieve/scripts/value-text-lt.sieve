require ["relational"];
if header :value "lt" "from" "c" { discard;
}
