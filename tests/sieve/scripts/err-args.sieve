keep "a";
