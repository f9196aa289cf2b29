require ["relational","comparator-i;ascii-numeric"];
if header :count "eq" :comparator "i;ascii-numeric" ["x-a","to"] "2" { discard;
}
