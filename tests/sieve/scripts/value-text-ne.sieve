require ["relational"];
if header :value "ne" "from" "c" { discard;
}
