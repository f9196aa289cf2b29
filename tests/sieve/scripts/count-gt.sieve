require ["relational","comparator-i;ascii-numeric"];
if header :count "gt" :comparator "i;ascii-numeric" ["x-a","to"] "2" { discard;
}
