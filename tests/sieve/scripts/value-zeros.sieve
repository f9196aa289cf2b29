require ["relational","comparator-i;ascii-numeric"];
if header :is :comparator "i;ascii-numeric" "x-spam-score" "7" { discard;
}
