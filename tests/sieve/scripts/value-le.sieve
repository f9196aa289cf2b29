require ["relational","comparator-i;ascii-numeric"];
if header :value "le" :comparator "i;ascii-numeric" "x-number" "9" { discard;
}
