/* a */ if # b
 true /* c
 d */ { discard;
/**/ }
