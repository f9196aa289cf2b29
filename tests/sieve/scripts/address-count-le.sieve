require ["relational","comparator-i;ascii-numeric"];
if address :count "le" :comparator "i;ascii-numeric" ["to","cc"] ["2","4"] { discard;
}
