require ["relational","comparator-i;ascii-numeric"];
if address :domain :count "ge" :comparator "i;ascii-numeric" "to" "2" { discard;
}
