require ["variables","relational","comparator-i;ascii-numeric"];
set "a" "10";
if string :value "gt" :comparator "i;ascii-numeric" "${a}" "9" { discard;
}
