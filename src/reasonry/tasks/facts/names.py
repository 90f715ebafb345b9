"""Full names of made-up persons: 400 first names, 400 surnames, drawn without replacement."""

# pyright: strict
from __future__ import annotations

from collections.abc import Iterable

from reasonry.core import seeds
from reasonry.errors import ConfigError

_FIRST = """
Aaron Abigail Ada Adam Adela Adrian Agnes Aidan Alan Albert Alec Alfred Alice Alina Allison Alma Alvin Amanda Amelia
Amos Amy Andrea Andrew Angela Anita Anna Anthony Antonia Arlene Arnold Arthur Ashley Astrid Aubrey Audrey August
Aurora Barbara Barnaby Barry Beatrice Becky Belinda Benedict Benjamin Bernard Bertha Bessie Bethany Beverly Bianca
Blake Bonnie Boris Bradley Brandon Brenda Brian Bridget Bruce Bruno Bryce Caleb Calvin Camilla Candace Carla Carlos
Carmen Caroline Casper Catherine Cecil Cedric Celeste Chad Charles Chloe Christine Clara Clarence Claudia Clayton
Clement Clifford Clyde Colin Connor Constance Cora Cordelia Craig Curtis Cynthia Cyril Daisy Dale Damian Daniel Daphne
Darren David Deborah Delia Denise Dennis Derek Desmond Diana Dolores Dominic Donald Donna Dora Doris Dorothy Douglas
Duncan Dwight Dylan Edgar Edith Edmund Edna Edward Edwin Eileen Elaine Eleanor Eli Elias Elijah Elise Elizabeth Ella
Ellen Elliot Elsie Elvira Emil Emily Emma Enid Eric Erica Ernest Esther Ethan Ethel Eugene Eunice Eva Evan Evelyn Ezra
Faith Felicia Felix Fern Fiona Flora Florence Floyd Frances Francis Frank Frieda Gabriel Gareth Garrett Gavin Gemma
Geoffrey George Gerald Geraldine Gertrude Gilbert Gina Gladys Glenda Glenn Gloria Gordon Grace Graham Greta Gregory
Griffin Guy Gwen Hannah Harold Harriet Harry Harvey Hattie Hazel Heather Hector Heidi Helen Henry Herbert Herman Hilda
Holly Homer Hope Howard Hubert Hugh Hugo Ian Ida Imogen Ingrid Irene Iris Irma Irving Isaac Isabel Ivan Ivy Jack Jacob
Jacqueline James Jane Janet Janice Jason Jasper Jean Jeffrey Jenna Jennifer Jeremy Jerome Jesse Jessica Jill Joan
Joanna Joel Johanna John Jonah Jonathan Jordan Joseph Josephine Joshua Joyce Judith Justin Karen Karl Katherine
Kathleen Kay Keith Kelly Kenneth Kevin Kirk Kristen Kurt Kyle Lambert Lana Lance Laura Laurence Lavinia Leah Lena Leo
Leonard Leslie Lewis Liam Lillian Linda Lionel Lloyd Lois Lorna Louis Louise Lucas Lucille Lucy Luke Lydia Lyle Mabel
Madeline Malcolm Marcus Margaret Marian Marie Marilyn Mario Marjorie Mark Marlene Marshall Martha Martin Marvin Mary
Mathilda Matthew Maud Maureen Maurice Max Maxine May Megan Melissa Melvin Mercy Michael Michelle Mildred Miles Milton
Minnie Miranda Miriam Mitchell Molly Mona Monica Morgan Morris Muriel Myra Myron Nadia Nancy Naomi Natalie Nathan Neil
Nelson Nettie Neville Nicholas Nicole Nigel Nina Noel Nora Norma Norman Octavia Olga Oliver Olivia Opal Oscar Otis
Otto Owen Pamela Patricia Patrick Paul Paula Pauline Pearl Percy Perry Peter Philip Phoebe Phyllis Quentin Rachel
Ralph Ramona Randall Raymond Rebecca Regina Reuben Rhoda Richard Rita Robert Roberta Robin Roderick Rodney Roger
"""
_LAST = """
Abbott Ackerman Acton Adair Adams Addison Ainsley Albright Alcott Aldridge Alexander Allard Alston Ames Anderson
Andrews Appleton Archer Arkwright Armstrong Ashford Ashworth Atherton Atkins Atwood Austin Avery Aylward Babcock
Bailey Bainbridge Baldwin Ballard Bancroft Banks Barclay Barlow Barnes Barrett Barton Bateman Bates Baxter Beasley
Beckett Beecham Bellamy Bennett Benson Bentley Benton Beresford Bingham Birch Bishop Blackwell Blair Blakely Blanchard
Bolton Booth Bourne Bowen Bowman Boyd Boyle Bradford Bradshaw Bramwell Brennan Brewster Briggs Bristow Brody Bromley
Buckley Burgess Burke Burnham Burns Burton Butterfield Byrne Cabot Calder Caldwell Calloway Cameron Campbell Cantrell
Cardwell Carlisle Carlton Carmichael Carroll Carson Carter Cartwright Carver Cassidy Castle Chadwick Chamberlain
Chambers Chandler Chapman Charlton Chase Cheney Chester Chilton Christie Clark Clarkson Clayborne Clements Cleveland
Clifton Coates Coburn Cochran Colby Coleman Collier Collins Colton Compton Conrad Conway Cooper Corbett Cornell
Cornwell Coulter Courtney Crandall Crane Crawford Crofton Cromwell Crosby Cullen Cummings Cunningham Currie Cushing
Dalton Daly Daniels Davenport Dawson Deacon Delaney Dempsey Denham Denton Devlin Dickson Dillon Dixon Dobson Dodd
Donovan Dorsey Dougherty Doyle Draper Drayton Driscoll Drummond Dudley Duffy Dunbar Dunham Dunlap Dunn Durham Dutton
Dwyer Eastman Eaton Eddington Egerton Eldridge Ellington Ellis Ellison Elwood Emerson Emmett Endicott Englewood
Ericson Esmond Everett Ewing Fairbanks Fairchild Falkner Farnham Farrell Faulkner Fawcett Fenton Ferguson Fielding
Finch Finley Fischer Fitzgerald Fleming Fletcher Flynn Forbes Forrest Forsyth Foster Fowler Fraser Freeman Frost
Fuller Fulton Gaines Gallagher Galloway Gardner Garner Garrison Gates Gibbons Gibson Gifford Gilmore Gladstone Goddard
Goodman Goodwin Grant Grantham Graves Griffith Grimes Grover Gunther Guthrie Hadley Haines Hale Hamilton Hammond
Hancock Hanley Hanson Harding Hargrove Harmon Harper Harrington Hartley Hastings Hathaway Hawkins Hawthorne Hayes
Haywood Heath Henderson Hendricks Herrick Hewitt Hickman Higgins Hobart Hobson Hodges Holbrook Holden Holland Holloway
Holmes Hopkins Horton Houghton Howell Hubbard Hudson Hughes Huntley Hurst Hutton Hyde Ingram Irwin Jackson Jamison
Jarvis Jefferson Jenkins Jennings Johnston Keating Keegan Keller Kemp Kendall Kenyon Kimball Kingsley Kirby Kirkland
Knowles Lambeth Lancaster Langdon Langley Lassiter Latham Lawson Ledger Leland Lennox Lindsay Linwood Litton
Livingston Lockhart Lockwood Logan Lowell Ludlow Lyndon Maddox Mallory Manning Marlowe Marsden Maxwell McAllister
McBride McCormick Meadows Mercer Merrill Middleton Montgomery Moreland Mortimer Mulligan Nash Newell Norris Norwood
Oakley Osborne Overton Paxton Pemberton Prescott Quigley Quincy Radcliffe Rafferty Ramsey Randolph Redmond Reeves
Reynolds Rhodes Richmond Ridley Rigby Robertson Rowland Rutherford Sanderson Sawyer Seaton Sheffield Sheldon Shelby
Sherwood Sinclair Spencer Stafford Stanton Sterling Stratton Sutherland Talbot Thornton Underhill Vaughn Wainwright
Walcott Warwick Weatherby Wentworth Whitaker Winslow
"""
FIRST_NAMES: tuple[str, ...] = tuple(_FIRST.split())
SURNAMES: tuple[str, ...] = tuple(_LAST.split())


def full_names(num: int, *, seed: int, without: Iterable[str] = ()) -> tuple[str, ...]:
    """``num`` different names such as ``Alice Fairchild``.

    Args:
        num: How many.
        seed: Any integer.
        without: Words that may not occur in a name, not even as a part of it: answers, which a model could otherwise
            read off the name.

    Raises:
        ConfigError: There are not so many.
    """
    words = [word.casefold() for word in without]
    first, last = (
        [name for name in names if not any(word in name.casefold() for word in words)]
        for names in (FIRST_NAMES, SURNAMES)
    )
    if num > len(first) * len(last):
        raise ConfigError(
            f"{num} subjects are asked for, and there are {len(first) * len(last)} names",
            place="per_group",
            remedy="Ask for fewer subjects.",
        )
    order = seeds.stream(seed, "facts", "names").permutation(len(first) * len(last))[:num].tolist()
    return tuple(f"{first[i // len(last)]} {last[i % len(last)]}" for i in order)
