if allof(exists "from", exists ["to","subject"]) { discard;
}
